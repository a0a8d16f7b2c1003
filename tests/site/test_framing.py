"""The crop around an object: inside the photo, holding the object, at agreeable proportions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame

SIDES = st.integers(1, 6000)


@st.composite
def boxes_in_photos(draw: st.DrawFn) -> tuple[tuple[float, float, float, float], int, int]:
    width, height = draw(SIDES), draw(SIDES)
    x, y = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
    return (x, y, draw(st.floats(0, width - x)), draw(st.floats(0, height - y))), width, height


@given(boxes_in_photos())
def test_a_crop_lies_inside_the_photo_and_holds_the_object(case):
    (x, y, w, h), width, height = case
    frame = framing.around((x, y, w, h), width=width, height=height)
    assert 0 <= frame.x <= frame.x + frame.width <= width
    assert 0 <= frame.y <= frame.y + frame.height <= height
    assert frame.width > 0
    assert frame.height > 0
    slack = 1.0  # whole pixels
    assert frame.x <= x + slack
    assert frame.y <= y + slack
    assert frame.x + frame.width >= x + w - slack
    assert frame.y + frame.height >= y + h - slack


@given(boxes_in_photos(), st.integers(1, 2000))
def test_a_shown_crop_is_never_larger_than_asked_nor_than_its_pixels(case, longest):
    box, width, height = case
    frame = framing.around(box, width=width, height=height)
    across, down = frame.fitted(longest)
    assert 1 <= across <= min(longest, frame.width)
    assert 1 <= down <= min(longest, frame.height)


@pytest.mark.parametrize("box", [(1000, 1000, 300, 300), (900, 1000, 500, 120), (1000, 700, 90, 700)])
def test_an_object_takes_little_over_half_of_a_crop_that_has_room(box):
    frame = framing.around(box, width=4000, height=3000)
    assert max(box[2] / frame.width, box[3] / frame.height) == pytest.approx(framing.OBJECT_SHARE, abs=0.01)
    assert 3 / 4 - 0.01 <= frame.width / frame.height <= 4 / 3 + 0.01


def test_an_object_is_in_the_middle_where_the_photo_has_room():
    frame = framing.around((1000, 1000, 300, 200), width=4000, height=3000)
    assert frame.x + frame.width / 2 == pytest.approx(1150, abs=1)
    assert frame.y + frame.height / 2 == pytest.approx(1100, abs=1)


def test_a_tiny_object_keeps_its_surroundings():
    frame = framing.around((500, 500, 3, 5), width=4000, height=3000)
    assert min(frame.width, frame.height) >= framing.SHORTEST_SIDE


def test_a_crop_at_the_edge_is_moved_in_and_not_cut():
    middle = framing.around((1000, 1000, 300, 200), width=4000, height=3000)
    corner = framing.around((0, 0, 300, 200), width=4000, height=3000)
    assert (corner.x, corner.y) == (0, 0)
    assert (corner.width, corner.height) == (middle.width, middle.height)


@given(st.integers(1, 8), st.data())
def test_a_frame_finds_its_pixels_in_a_turned_file(orientation, data):
    width, height = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    stored = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    file = Image.fromarray(stored)
    file.getexif()[ExifTags.Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(file))
    high, wide = upright.shape[:2]
    x, y = data.draw(st.integers(0, wide - 1)), data.draw(st.integers(0, high - 1))
    frame = Frame(x, y, data.draw(st.integers(1, wide - x)), data.draw(st.integers(1, high - y)))

    own = framing.before_turning(frame, orientation, width=wide, height=high)
    part = Image.fromarray(stored[own.y : own.y + own.height, own.x : own.x + own.width])
    part.getexif()[ExifTags.Base.Orientation] = orientation
    shown = np.asarray(ImageOps.exif_transpose(part))
    assert np.array_equal(shown, upright[y : y + frame.height, x : x + frame.width])
