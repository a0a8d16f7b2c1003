"""The photos of workers' pages, by a random key and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import quote_etag
from django.views.decorators.http import condition, require_safe

from annotation_site.catalog.photos import PhotoBroken, PhotoUnreadable
from annotation_site.pages import crops
from annotation_site.people.qualification import attempts
from annotation_site.photo_responses import jpeg
from annotation_site.verification import hits

FOREVER = "public, max-age=31536000, immutable"
"""What a key shows never changes."""


def _tag(_request: HttpRequest, key: UUID) -> str:
    return quote_etag(key.hex)


@require_safe
@condition(etag_func=_tag)
def crop(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The object of a HIT's item and its surroundings."""
    return _jpeg(crops.crop, key, crops.of_item, _unseen_item)


@require_safe
@condition(etag_func=_tag)
def whole(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The whole photo of a HIT's item."""
    return _jpeg(crops.whole, key, crops.of_item, _unseen_item)


@require_safe
@condition(etag_func=_tag)
def test_crop(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The object of a test's question and its surroundings."""
    return _jpeg(crops.crop, key, crops.of_test, _unseen_question)


@require_safe
@condition(etag_func=_tag)
def test_whole(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The whole photo of a test's question."""
    return _jpeg(crops.whole, key, crops.of_test, _unseen_question)


@require_safe
@condition(etag_func=_tag)
def example(request: HttpRequest, key: UUID) -> HttpResponse:  # noqa: ARG001
    """The object of an example and its surroundings."""
    return _jpeg(crops.crop, key, crops.of_example, _ignored)


def _jpeg(
    photo: Callable[[UUID, crops.Find], bytes],
    key: UUID,
    find: crops.Find,
    unseen: Callable[[UUID, PhotoUnreadable], None],
) -> HttpResponse:
    def render() -> bytes:
        try:
            return photo(key, find)
        except PhotoUnreadable as error:
            unseen(key, error)
            raise

    try:
        return jpeg(render, cache=FOREVER)
    except ObjectDoesNotExist as error:
        raise Http404("No such photo.") from error


def _unseen_item(key: UUID, _why: PhotoUnreadable) -> None:
    hits.note_unseen(key, at=timezone.now())


def _unseen_question(key: UUID, why: PhotoUnreadable) -> None:
    attempts.note_unseen(key, at=timezone.now(), for_good=isinstance(why, PhotoBroken))


def _ignored(_key: UUID, _why: PhotoUnreadable) -> None:
    """Nothing hangs on an example."""
