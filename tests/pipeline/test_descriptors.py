"""Feature vectors of masks without a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import masks
from pipeline.descriptors import CONTEXT, DIMENSIONS, Descriptors, window
from pipeline.scenes import SceneOptions, generate

describe = Descriptors().describe


def disc(height: int, width: int, y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def painted(mask: np.ndarray, colour: tuple[int, int, int], ground: int = 90) -> np.ndarray:
    picture = np.full((*mask.shape, 3), ground, dtype=np.uint8)
    picture[mask] = colour
    return picture


@given(mask=arrays(bool, (17, 23)), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_mask_gives_a_finite_vector_of_bounded_length(mask: np.ndarray, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    (row,) = describe(picture, [masks.encode(mask)])
    assert row.shape == (DIMENSIONS,)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()
    assert np.linalg.norm(row) < 6


def test_no_masks_no_vectors() -> None:
    assert describe(np.zeros((4, 4, 3), dtype=np.uint8), []).shape == (0, DIMENSIONS)


def test_a_vector_depends_on_its_own_mask_only() -> None:
    scene = generate(SceneOptions(), np.random.default_rng(0))
    rles = [masks.encode(mask) for mask in scene.masks]
    together = describe(scene.image, rles)
    alone = np.concatenate([describe(scene.image, [rle]) for rle in rles])
    assert np.array_equal(together, alone)


def test_like_things_lie_nearer_than_unlike_ones() -> None:
    here, there = disc(80, 100, 30, 30, 16), disc(80, 100, 45, 62, 15)
    bar = np.zeros((80, 100), dtype=bool)
    bar[20:26, 20:80] = True
    red, red_too, blue_bar = (
        describe(painted(mask, colour), [masks.encode(mask)])[0]
        for mask, colour in ((here, (200, 40, 30)), (there, (190, 50, 35)), (bar, (30, 40, 200)))
    )
    assert np.linalg.norm(red - red_too) < 0.5 * np.linalg.norm(red - blue_bar)


def test_light_changes_a_vector_less_than_another_colour_does() -> None:
    mask = disc(80, 80, 40, 40, 20)
    bright, dim, other = (
        describe(painted(mask, colour, ground), [masks.encode(mask)])[0]
        for colour, ground in (((200, 60, 40), 120), ((150, 45, 30), 90), ((40, 60, 200), 120))
    )
    assert np.linalg.norm(bright - dim) < 0.7 * np.linalg.norm(bright - other)


def test_a_mask_that_misses_the_edge_lies_apart_from_those_that_follow_it() -> None:
    true = disc(90, 90, 45, 45, 20)
    picture = painted(true, (210, 180, 60))
    followed, nearly, missed = (
        describe(picture, [masks.encode(mask)])[0]
        for mask in (true, disc(90, 90, 45.5, 45, 20), disc(90, 90, 45, 60, 20))
    )
    assert np.linalg.norm(followed - nearly) < 0.5 * np.linalg.norm(followed - missed)


def test_masks_at_the_image_border_and_of_one_pixel_are_described() -> None:
    corner = np.zeros((30, 40), dtype=bool)
    corner[0, 0] = True
    whole = np.ones((30, 40), dtype=bool)
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    rows = describe(picture, [masks.encode(corner), masks.encode(whole)])
    assert np.isfinite(rows).all()
    assert np.abs(rows).sum(axis=1).min() > 0


def test_a_mask_without_a_pixel_is_all_zeros() -> None:
    empty = masks.encode(np.zeros((8, 8), dtype=bool))
    assert not describe(np.zeros((8, 8, 3), dtype=np.uint8), [empty]).any()


def test_a_mask_of_another_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size \[8, 9\] in an image of \[8, 8\]"):
        describe(np.zeros((8, 8, 3), dtype=np.uint8), [masks.encode(np.ones((8, 9), dtype=bool))])


@given(x=st.integers(0, 50), y=st.integers(0, 30), width=st.integers(1, 20), height=st.integers(1, 20))
def test_a_window_holds_its_box_and_stays_in_the_image(x: int, y: int, width: int, height: int) -> None:
    rows, columns = window(np.array([x, y, width, height], dtype=float), (50, 70), context=CONTEXT)
    assert 0 <= rows.start <= y < y + height <= rows.stop <= 50
    assert 0 <= columns.start <= x < x + width <= columns.stop <= 70
