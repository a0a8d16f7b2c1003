"""Opening images: from a path or any storage, upright, as RGB, with one error for all that can be wrong."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, AttributeError,
    RuntimeError, MemoryError, StructError, zlib.error,
)  # fmt: skip
"""What Pillow's readers are known to raise for damaged files."""


class UnreadableImage(ValueError):
    """An image that cannot be decoded; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image comes from.

    Attributes
    ----------
    name : what messages call it, unique among the images of one call
    open : returns a new binary file of the encoded image; the caller closes it
    size : (height, width) that it has upright, where that is known: what is known of it holds for no other
    """

    name: str
    open: Callable[[], BinaryIO]
    size: tuple[int, int] | None = None

    @classmethod
    def from_path(cls, path: Path, *, name: str | None = None) -> ImageSource:
        """The image in a file, called by the file's name unless told otherwise."""

        def opened() -> BinaryIO:
            return path.open("rb")

        return cls(name or path.name, opened)


def read_upright(source: ImageSource) -> Image.Image:
    """The decoded image as RGB, turned as its EXIF orientation says.

    Raises
    ------
    UnreadableImage
        When the file is missing, broken, truncated, no image, too large to decode safely, or of another size.
    """
    try:
        with source.open() as file, Image.open(file) as image:
            upright = _eight_bit(ImageOps.exif_transpose(image)).convert("RGB")
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"{source.name}: too many pixels to decode safely ({error}).") from error
    except (ConnectionError, TimeoutError):  # Of its place, not of the image.
        raise
    except DAMAGE as error:
        told = str(error) or type(error).__name__
        raise UnreadableImage(f"{source.name}: cannot be decoded ({told}).") from error
    if source.size not in (None, (upright.height, upright.width)):
        height, width = source.size
        raise UnreadableImage(
            f"{source.name}: another file than was imported, {upright.width} x {upright.height} pixels "
            f"instead of {width} x {height}."
        )
    return upright


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: Pillow's own conversion would clip it to white."""
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype(np.float64)
    return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8))


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 of an RGB image."""
    return np.asarray(image, dtype=np.uint8)
