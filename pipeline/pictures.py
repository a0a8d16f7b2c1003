"""Opening images: from a path or any storage, upright, as RGB, with one error for all that can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


class UnreadableImage(ValueError):
    """An image that cannot be decoded; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image comes from.

    Attributes
    ----------
    name : what messages call it, unique among the images of one call
    open : returns a new binary file of the encoded image; the caller closes it
    """

    name: str
    open: Callable[[], BinaryIO]

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
        When the file is missing, broken, truncated, no image, or too large to decode safely.
    """
    try:
        with source.open() as file, Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            return _eight_bit(upright).convert("RGB")
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"{source.name}: too many pixels to decode safely ({error}).") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise UnreadableImage(f"{source.name}: cannot be decoded ({error}).") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: Pillow's own conversion would clip it to white."""
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype(np.float64)
    return Image.fromarray((grey / 257).clip(0, 255).astype(np.uint8))


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 of an RGB image."""
    return np.asarray(image, dtype=np.uint8)
