"""The photos of the verify page, by the random key of their item and by nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import quote_etag
from django.views.decorators.http import condition, require_safe

from annotation_site.catalog.photos import PhotoUnreadable
from annotation_site.pages import crops
from annotation_site.verification.hits import note_unseen
from annotation_site.verification.models import Item

logger = logging.getLogger(__name__)

FOREVER = "public, max-age=31536000, immutable"
"""What a key shows never changes."""


def _tag(_request: HttpRequest, key: UUID) -> str:
    return quote_etag(key.hex)


@require_safe
@condition(etag_func=_tag)
def crop(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The object and its surroundings."""
    return _jpeg(crops.crop, key)


@require_safe
@condition(etag_func=_tag)
def whole(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The whole photo."""
    return _jpeg(crops.whole, key)


def _jpeg(photo: Callable[[UUID], bytes], key: UUID) -> HttpResponse:
    try:
        content = photo(key)
    except Item.DoesNotExist as error:
        raise Http404("No such photo.") from error
    except PhotoUnreadable as error:
        logger.exception("A worker cannot see item %s", key)
        note_unseen(key, at=timezone.now())
        raise Http404("This photo cannot be shown.") from error
    return HttpResponse(content, "image/jpeg", headers={"Cache-Control": FOREVER})
