"""Rendering parts of photos, whatever the file is like."""

from __future__ import annotations

from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import ExifTags, Image, ImageOps

from annotation_site.catalog import photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Image as Photo

QUADRANTS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "white": (240, 240, 240)}


def quadrants(width: int = 400, height: int = 300) -> Image.Image:
    """Red and green above blue and white."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    halves = [(slice(None, side // 2), slice(side // 2, None)) for side in (height, width)]
    for (rows, columns), colour in zip(product(*halves), QUADRANTS.values(), strict=True):
        pixels[rows, columns] = colour
    return Image.fromarray(pixels)


def saved(picture: Image.Image, place: Path, **options: object) -> Photo:
    picture.save(place, **options)
    return Photo(path=str(place), width=picture.width, height=picture.height)


def shown(photo: Photo, frame: Frame, *, longest: int = 800) -> Image.Image:
    content = photos.render(photo, frame, longest=longest)
    image = Image.open(BytesIO(content))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    return image


def colour(image: Image.Image, x: float, y: float) -> str:
    """The quadrant colour nearest to a pixel, at shares of the width and height."""
    pixel = np.array(image.getpixel((int(x * image.width), int(y * image.height))), dtype=float)
    return min(QUADRANTS, key=lambda name: float(np.abs(pixel - QUADRANTS[name]).sum()))


def test_a_part_of_a_photo_has_its_pixels(tmp_path):
    photo = saved(quadrants(), tmp_path / "photo.png")
    part = shown(photo, Frame(150, 100, 100, 100))
    assert part.size == (100, 100)
    assert [colour(part, x, y) for y in (0.1, 0.9) for x in (0.1, 0.9)] == list(QUADRANTS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("longest", [800, 40])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_photo_is_shown_upright(tmp_path, orientation, longest, suffix):
    stored, back = quadrants(), {6: 8, 8: 6}.get(orientation, orientation)
    stored.getexif()[ExifTags.Base.Orientation] = back
    turned = ImageOps.exif_transpose(stored)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"photo.{suffix}"
    turned.save(path, exif=exif, quality=95)

    photo = Photo(path=str(path), width=400, height=300)
    part = shown(photo, Frame(100, 100, 200, 100), longest=longest)
    assert part.size == ((200, 100) if longest == 800 else (40, 20))
    assert [colour(part, x, y) for y in (0.1, 0.9) for x in (0.1, 0.9)] == list(QUADRANTS)


def test_an_orientation_that_is_none_is_taken_as_upright(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 77
    photo = saved(quadrants(), tmp_path / "photo.jpg", exif=exif)
    assert colour(shown(photo, Frame(0, 0, 400, 300)), 0.1, 0.1) == "red"


def test_no_metadata_of_the_original_is_passed_on(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A. Nonymous"
    photo = saved(quadrants(), tmp_path / "photo.jpg", exif=exif)
    assert b"Nonymous" not in photos.render(photo, Frame(0, 0, 400, 300), longest=100)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("1", "photo.tiff"),
        ("L", "photo.webp"),
        ("LA", "photo.png"),
        ("P", "photo.png"),
        ("RGBA", "photo.webp"),
        ("CMYK", "photo.jpg"),
        ("YCbCr", "photo.tiff"),
    ],
)
def test_any_mode_and_format_is_shown(tmp_path, mode, name):
    photo = saved(quadrants().convert(mode), tmp_path / name)
    part = shown(photo, Frame(0, 0, 400, 300)).convert("L").reduce(20)
    bright, dark = part.getpixel((18, 13)), part.getpixel((2, 13))
    assert bright > dark + 50


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_greys_are_stretched_over_their_range(tmp_path, dtype):
    grey = np.zeros((60, 80), dtype=dtype)
    grey[:, 40:] = 3000
    photo = saved(Image.fromarray(grey), tmp_path / "photo.tiff")
    part = shown(photo, Frame(0, 0, 80, 60))
    assert part.getpixel((10, 30)) == (0, 0, 0)
    assert part.getpixel((70, 30)) == (255, 255, 255)


def test_what_is_transparent_is_laid_over_grey(tmp_path):
    clear = Image.new("RGBA", (80, 60), (255, 0, 0, 0))
    photo = saved(clear, tmp_path / "photo.png")
    assert shown(photo, Frame(0, 0, 80, 60)).getpixel((40, 30)) == photos.BEHIND_TRANSPARENT


def test_a_large_jpeg_is_decoded_no_finer_than_needed(tmp_path, monkeypatch):
    photo = saved(quadrants(2400, 1800), tmp_path / "photo.jpg", quality=95)
    decoded = []
    plain = photos._as_rgb
    monkeypatch.setattr(photos, "_as_rgb", lambda image: decoded.append(image.size) or plain(image))
    part = shown(photo, Frame(0, 0, 2400, 1800), longest=300)
    assert decoded == [(300, 225)]
    assert [colour(part, x, y) for y in (0.1, 0.9) for x in (0.1, 0.9)] == list(QUADRANTS)


def test_a_photo_in_the_storage_is_found_by_its_name(tmp_path):
    written = BytesIO()
    quadrants().save(written, "PNG")
    name = storages["images"].save("streets/photo.png", ContentFile(written.getvalue()))
    photo = Photo(path=name, width=400, height=300)
    assert shown(photo, Frame(0, 0, 400, 300)).size == (400, 300)


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_original_is_refused_by_name(tmp_path, content):
    place = tmp_path / "gone.png"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(photos.PhotoUnreadable, match=r"gone\.png.*restore the file") as refused:
        photos.render(Photo(path=str(place), width=10, height=10), Frame(0, 0, 10, 10), longest=100)
    assert isinstance(refused.value, photos.PhotoBroken) is (content is not None)


def test_a_truncated_original_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg")
    place = tmp_path / "cut.jpg"
    place.write_bytes((tmp_path / "photo.jpg").read_bytes()[:3000])
    with pytest.raises(photos.PhotoBroken, match=r"cut\.jpg"):
        photos.render(Photo(path=str(place), width=400, height=300), Frame(0, 200, 400, 100), longest=800)
