"""Small crops of masks for project admins: a page of decisions shows some hundreds of them."""

from __future__ import annotations

from functools import partial

from annotation_site.catalog import framing, photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import Mask
from annotation_site.people.models import GoldItem

SIDE = 240
"""Pixels: twice what a strip shows, for dense screens."""


def thumbnail(mask: Mask | GoldItem) -> bytes:
    """The JPEG of a mask, or a gold item, and its surroundings, rendered at the first request, then kept.

    Raises
    ------
    photos.PhotoUnreadable
        When the photo cannot be read.
    """
    frame = framing.around(mask.box, width=mask.image.width, height=mask.image.height)
    return kept(_name(mask, frame), partial(photos.render, mask.image, frame, longest=SIDE))


def _name(mask: Mask | GoldItem, frame: Frame) -> str:
    """By mask and size; guessable, for none but admins may ask.

    The photo and the frame are in it because the cache may outlive the database that numbered the masks.
    """
    shown = f"{frame.x}-{frame.y}-{frame.width}-{frame.height}"
    folder = "masks" if isinstance(mask, Mask) else "gold-thumbnails"
    return f"{folder}/{mask.pk % 256:02x}/{mask.pk}-{SIDE}-{mask.image.digest[:16]}-{shown}.jpg"
