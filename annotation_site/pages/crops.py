"""The photos that workers see: rendered at the first request, then kept on disk.

A crop is addressed by its item's random key alone, and kept under it: gold and real items take the same
path, and neither is found in the cache before its own page asked for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from django.core.files.storage import storages

from annotation_site.catalog import framing, photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import OutlinedObject
from annotation_site.verification.models import Item, Question

CROP_SIDE = 800
WHOLE_SIDE = 1600
"""Pixels of the longest side: a crop, and the whole photo that zooming out shows."""
KEEP = timedelta(days=2)
"""HITs are over long before; a crop that is asked for later is rendered again."""


def crop(key: UUID) -> bytes:
    """The JPEG of an item's object and its surroundings.

    Raises
    ------
    Item.DoesNotExist
        When no item has that key.
    photos.PhotoUnreadable
        When the photo cannot be read.
    """
    return _kept(f"{key}.jpg", partial(_render_crop, key))


def whole(key: UUID) -> bytes:
    """The JPEG of an item's whole photo. Raises as `crop` does."""
    return _kept(f"{key}-whole.jpg", partial(_render_whole, key))


def prune(*, at: datetime, keep: timedelta = KEEP) -> int:
    """Delete the crops that were rendered longer than `keep` ago; their number."""
    oldest = (at - keep).timestamp()
    stale = [file for file in Path(storages["crops"].path("")).rglob("*.jpg") if _rendered(file) < oldest]
    for file in stale:
        file.unlink(missing_ok=True)
    return len(stale)


def _rendered(file: Path) -> float:
    """When, in seconds of the epoch; never for a file that another process has just deleted."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def frame_of(subject: OutlinedObject) -> Frame:
    """The crop that is shown for a mask."""
    return framing.around(subject.box, width=subject.image.width, height=subject.image.height)


def subject_of(question: Question) -> OutlinedObject:
    """The mask that a question is about, real or gold."""
    subject: OutlinedObject | None = question.mask or question.gold
    assert subject is not None  # the database's own constraint: a question is about one thing
    return subject


def _render_crop(key: UUID) -> bytes:
    subject = _subject(key)
    return photos.render(subject.image, frame_of(subject), longest=CROP_SIDE)


def _render_whole(key: UUID) -> bytes:
    photo = _subject(key).image
    return photos.render(photo, Frame(0, 0, photo.width, photo.height), longest=WHOLE_SIDE)


def _subject(key: UUID) -> OutlinedObject:
    items = Item.objects.select_related("question__mask__image", "question__gold__image")
    return subject_of(items.defer("question__mask__counts", "question__gold__counts").get(key=key).question)


def _kept(name: str, render: Callable[[], bytes]) -> bytes:
    """A file of the cache; written aside and moved in, so that a reader finds all of it or nothing."""
    place = Path(storages["crops"].path(f"{name[:2]}/{name}"))
    try:
        return place.read_bytes()
    except FileNotFoundError:
        content = render()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as aside:
        aside.write(content)
    Path(aside.name).replace(place)
    return content
