"""The photos that workers see: rendered at the first request, then kept on disk.

A crop is addressed by a random key alone, and kept under it: gold and real items take the same path, and
neither is found in the cache before its own page asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from annotation_site.catalog import framing, photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import OutlinedObject
from annotation_site.people.qualification.models import AttemptItem, Lesson
from annotation_site.verification.models import Item, Question

CROP_SIDE = 800
WHOLE_SIDE = 1600
"""Pixels of the longest side: a crop, and the whole photo that zooming out shows."""

Find = Callable[[UUID], OutlinedObject]
"""What a key is about. Raises ObjectDoesNotExist when nothing has it."""


def crop(key: UUID, find: Find) -> bytes:
    """The JPEG of an object and its surroundings.

    Raises
    ------
    ObjectDoesNotExist
        When nothing has that key.
    photos.PhotoUnreadable
        When the photo cannot be read.
    """
    return kept(_name(f"{key}"), partial(_render_crop, key, find))


def whole(key: UUID, find: Find) -> bytes:
    """The JPEG of the whole photo of an object. Raises as `crop` does."""
    return kept(_name(f"{key}-whole"), partial(_render_whole, key, find))


def frame_of(subject: OutlinedObject) -> Frame:
    """The crop that is shown for a mask."""
    return framing.around(subject.box, width=subject.image.width, height=subject.image.height)


def subject_of(question: Question) -> OutlinedObject:
    """The mask that a question is about, real or gold."""
    subject: OutlinedObject | None = question.mask or question.gold
    assert subject is not None  # the database's own constraint: a question is about one thing
    return subject


def of_item(key: UUID) -> OutlinedObject:
    """The mask of an item of a HIT."""
    items = Item.objects.select_related("question__mask__image", "question__gold__image")
    return subject_of(items.defer("question__mask__counts", "question__gold__counts").get(key=key).question)


def of_test(key: UUID) -> OutlinedObject:
    """The mask of a question of the test."""
    items = AttemptItem.objects.select_related("lesson__image").defer("lesson__counts")
    return items.get(key=key).lesson


def of_example(key: UUID) -> OutlinedObject:
    """The mask of an example; the questions of the test have no such address."""
    return Lesson.objects.select_related("image").defer("counts").get(key=key, is_example=True)


def _name(photo: str) -> str:
    return f"{photo[:2]}/{photo}.jpg"


def _render_crop(key: UUID, find: Find) -> bytes:
    subject = find(key)
    return photos.render(subject.image, frame_of(subject), longest=CROP_SIDE)


def _render_whole(key: UUID, find: Find) -> bytes:
    photo = find(key).image
    return photos.render(photo, Frame(0, 0, photo.width, photo.height), longest=WHOLE_SIDE)
