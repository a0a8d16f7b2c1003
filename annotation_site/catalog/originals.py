"""Image files of users: looked at without trusting them, kept under the digest of their content."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage, storages
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from pipeline.pictures import DAMAGE

MAX_PIXELS = 100_000_000
"""Default limit of an image's width x height."""

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"}
"""Suffix under which a file of each format is kept. An MPO is a JPEG with further images after it."""

READERS = ("JPEG", "PNG", "WEBP", "TIFF")
"""Pillow's readers that may look at a file; the one of JPEG reads MPO too."""

FILE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff"})
"""What image files in a folder end in; others are passed over."""


class UnusableImage(ValueError):
    """A file that cannot be imported as an image; the message says why."""


class Oversized(UnusableImage):
    """An image of more pixels than allowed."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a decoded file turned out to be.

    Attributes
    ----------
    width, height : pixels of the upright image
    orientation : EXIF orientation 1 to 8 of the stored pixels
    suffix : of the name that it is kept under
    """

    width: int
    height: int
    orientation: int
    suffix: str

    @property
    def is_turned(self) -> bool:
        """Whether the stored pixels lie on their side."""
        return self.orientation >= 5


def digest(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect(path: Path, *, max_pixels: int = MAX_PIXELS) -> Original:
    """Decode a file to its last pixel and say what it is.

    Raises
    ------
    Oversized
        When it has more than `max_pixels`; seen before anything is decoded.
    UnusableImage
        When it is broken, truncated, or of another format.
    """
    try:
        with Image.open(path, formats=READERS) as image:
            return _decoded(image, max_pixels)
    except Image.DecompressionBombError as error:
        raise Oversized(str(error)) from error
    except Oversized:
        raise
    except UnidentifiedImageError as error:
        raise UnusableImage("not a JPEG, PNG, WebP or TIFF") from error
    except DAMAGE as error:
        raise UnusableImage(f"cannot be decoded ({error or type(error).__name__})") from error


def _decoded(image: Image.Image, max_pixels: int) -> Original:
    width, height = image.size
    if width * height > max_pixels:
        raise Oversized(f"{width} x {height} is more than {max_pixels:,} pixels")
    stored_format = image.format or ""
    said = image.getexif().get(ExifTags.Base.Orientation, 1)
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    orientation = said if said in range(1, 9) else 1
    return Original(*image.size, orientation, SUFFIXES[stored_format])


def keep(path: Path, *, digest: str, suffix: str) -> str:
    """Copy a file into the images storage, and its name there.

    The name is made of the content, so what is there already is not copied again, and a file that is there
    is whole: on a disk it is written under another name first and then renamed.
    """
    name = f"{digest[:2]}/{digest[2:4]}/{digest}{suffix}"
    storage = storages["images"]
    if isinstance(storage, FileSystemStorage):
        _copy_whole(path, Path(storage.path(name)))
    elif not storage.exists(name):
        with path.open("rb") as file:
            storage.save(name, File(file))
    return name


def _copy_whole(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def image_files(folder: Path) -> Iterator[Path]:
    """The image files under a folder in the order of their names, without hidden ones; by their suffix."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in FILE_SUFFIXES:
                yield Path(parent, name)
