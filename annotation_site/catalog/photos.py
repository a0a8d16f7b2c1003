"""Parts of the original photos, as a browser shows them: upright, 8-bit RGB, no larger than needed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from django.core.files.storage import storages
from PIL import ExifTags, Image, ImageOps

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Image as Photo
from annotation_site.file_storage import storage_errors

BEHIND_TRANSPARENT = (236, 236, 236)


class PhotoUnreadable(Exception):
    """The original cannot be read; the message names it, and what to do."""


class StorageAway(PhotoUnreadable):
    """Its storage does not answer, or refuses: it may be there again in a minute."""


class PhotoGone(PhotoUnreadable):
    """There is no such file, as long as nobody restores it."""


class PhotoBroken(PhotoUnreadable):
    """The original was read, and is no image that could be decoded: it stays so."""


def render(photo: Photo, frame: Frame, *, longest: int) -> bytes:
    """JPEG bytes of a part of a photo, no side over `longest` pixels and never enlarged.

    Raises
    ------
    StorageAway, PhotoGone, PhotoBroken
        When the photo cannot be read: by what its storage says, or by what is in the file.
    """
    try:
        with _open(photo) as file, Image.open(file) as image:
            return _encoded(_part(image, frame, frame.fitted(longest)), image)
    except _unreadable() as error:
        kind, remedy = _told(error)
        raise kind(f"{photo.path} of image {photo.pk} cannot be read ({error}); {remedy}.") from error


def _unreadable() -> tuple[type[Exception], ...]:
    return (*storage_errors(), ValueError, SyntaxError, Image.DecompressionBombError)


def _told(error: Exception) -> tuple[type[PhotoUnreadable], str]:
    """What an error comes to, and what to do. Errors of the system have numbers, those of decoding none."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PhotoGone, "restore the file or import it again"
    is_decoding = isinstance(error, OSError) and error.errno is None
    if isinstance(error, storage_errors()) and not is_decoding:
        return StorageAway, "see to the storage: it is read again when the photo is next asked for"
    return PhotoBroken, "restore the file or import it again"


def _open(photo: Photo) -> IO[Any]:
    if Path(photo.path).is_absolute():
        return Path(photo.path).open("rb")
    return storages["images"].open(photo.path)


def _part(image: Image.Image, frame: Frame, size: tuple[int, int]) -> Image.Image:
    """The frame's pixels at the given upright size, decoding a JPEG no finer than that needs."""
    orientation = _orientation(image)
    turned = orientation >= 5
    width, height = reversed(image.size) if turned else image.size
    own = framing.before_turning(frame, orientation, width=width, height=height)
    own_size = (size[1], size[0]) if turned else size
    shown = _decoded(image, own, own_size).resize(own_size, Image.Resampling.HAMMING)
    shown.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(shown)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow itself turns these as it decodes them
        return 1
    said = image.getexif().get(ExifTags.Base.Orientation, 1)
    return said if said in range(1, 9) else 1


def _decoded(image: Image.Image, own: Frame, size: tuple[int, int]) -> Image.Image:
    full = image.size
    share = max(size[0] / own.width, size[1] / own.height)
    image.draft(image.mode, (round(full[0] * share), round(full[1] * share)))
    across, down = image.size[0] / full[0], image.size[1] / full[1]
    left, top = round(own.x * across), round(own.y * down)
    right, bottom = round((own.x + own.width) * across), round((own.y + own.height) * down)
    return _as_rgb(image.crop((left, top, max(right, left + 1), max(bottom, top + 1))))


def _as_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode: deep greys stretched over their range, transparency laid over light grey."""
    if image.mode.startswith(("I", "F")):
        return _stretched(image).convert("RGB")
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, BEHIND_TRANSPARENT)
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).round().astype(np.uint8))


def _encoded(shown: Image.Image, original: Image.Image) -> bytes:
    profile = original.info.get("icc_profile") if original.mode in ("RGB", "RGBA") else None
    written = BytesIO()
    shown.save(written, "JPEG", quality=88, icc_profile=profile, exif=b"")
    return written.getvalue()
