"""Opening images of every kind that people have."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from pipeline.pictures import DAMAGE, ImageSource, UnreadableImage, pixels, read_upright


def source(data: bytes, name: str = "photo.jpg") -> ImageSource:
    return ImageSource(name, lambda: io.BytesIO(data))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def gradient(width: int = 8, height: int = 4) -> Image.Image:
    red, green = np.meshgrid(np.linspace(0, 250, width), np.linspace(0, 250, height))
    return Image.fromarray(np.stack([red, green, 0 * red], axis=2).astype(np.uint8))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_lossless_files_give_their_pixels(form: str) -> None:
    read = read_upright(source(encoded(gradient(), form)))
    assert np.array_equal(pixels(read), pixels(gradient()))


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_files_give_nearly_their_pixels(form: str) -> None:
    read = read_upright(source(encoded(gradient(64, 64), form, quality=95)))
    assert np.abs(pixels(read).astype(int) - pixels(gradient(64, 64))).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # transpositions that store the picture as the tag says
    turned = gradient() if orientation == 1 else gradient().transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_upright(source(encoded(turned, "PNG", exif=exif.tobytes())))
    assert np.array_equal(pixels(read), pixels(gradient()))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    read = read_upright(source(encoded(gradient().convert("RGBA").convert(mode), form)))
    assert read.mode == "RGB"
    assert read.size == (8, 4)


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    grey = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    read = read_upright(source(encoded(Image.fromarray(grey), "PNG")))
    assert pixels(read)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("data", [b"", b"not a picture", encoded(gradient(64, 64), "JPEG")[:400]])
def test_what_cannot_be_decoded_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match=r"torn\.jpg"):
        read_upright(source(data, "torn.jpg"))


def test_a_picture_too_large_to_be_safe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableImage, match="too many pixels"):
        read_upright(source(encoded(gradient(), "PNG")))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"gone\.png"):
        read_upright(ImageSource.from_path(tmp_path / "gone.png"))


def test_a_file_is_called_by_its_name_unless_told_otherwise(tmp_path: Path) -> None:
    assert ImageSource.from_path(tmp_path / "a.png").name == "a.png"
    assert ImageSource.from_path(tmp_path / "a.png", name="street/a.png").name == "street/a.png"


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_a_reader_raises_for_a_damaged_file_is_that_files(damage: type[Exception]) -> None:
    def broken() -> BinaryIO:
        raise damage

    with pytest.raises(UnreadableImage, match=r"^torn\.jpg: cannot be decoded"):
        read_upright(ImageSource("torn.jpg", broken))


@pytest.mark.parametrize("trouble", [ConnectionResetError, TimeoutError])
def test_a_place_that_is_away_says_nothing_of_the_file(trouble: type[Exception]) -> None:
    def away() -> BinaryIO:
        raise trouble

    with pytest.raises(trouble):
        read_upright(ImageSource("photo.jpg", away))


def test_a_file_of_another_size_is_another_file() -> None:
    file = encoded(gradient(8, 4), "PNG")
    assert read_upright(ImageSource("a.png", lambda: io.BytesIO(file), size=(4, 8))).size == (8, 4)
    with pytest.raises(
        UnreadableImage, match="another file than was imported, 8 x 4 pixels instead of 16 x 8"
    ):
        read_upright(ImageSource("a.png", lambda: io.BytesIO(file), size=(8, 16)))
