"""Photos over HTTP: a JPEG, or why there is none. The log names the file that could not be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.http import Http404, HttpResponse

from annotation_site.catalog.photos import PhotoUnreadable, StorageAway

AGAIN_AFTER = 5
"""Seconds until a photo whose storage is away may be asked for again."""
A_DAY = "private, max-age=86400"

logger = logging.getLogger(__name__)


def jpeg(render: Callable[[], bytes], *, cache: str = A_DAY) -> HttpResponse:
    """A rendered photo; 503 with Retry-After while its storage is away.

    Parameters
    ----------
    cache : what Cache-Control says of the photo

    Raises
    ------
    Http404
        When its file is gone, or is no image.
    """
    try:
        return HttpResponse(render(), "image/jpeg", headers={"Cache-Control": cache})
    except StorageAway as error:
        logger.error("A photo cannot be shown for now: %s", error)  # The line says it all.
        return away()
    except PhotoUnreadable as error:
        logger.error("A photo cannot be shown: %s", error)
        raise Http404("This photo cannot be shown.") from error


def away() -> HttpResponse:
    """The answer for a photo whose storage is away: nobody keeps it."""
    headers = {"Retry-After": str(AGAIN_AFTER), "Cache-Control": "no-store"}
    told = "The storage of this photo does not answer: ask again."
    return HttpResponse(told, "text/plain", HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)
