"""Masks made wrong on purpose are wrong by the amount asked for, and never leave their image."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import masks
from pipeline.predictions import Rle
from pipeline.scenes import SceneOptions, generate
from pipeline.spoiling import SPOILINGS, merge, spoil

HEIGHT, WIDTH = 90, 120


def disc(x: float, y: float, a: float, b: float) -> Rle:
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return masks.encode(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1)


inside = st.builds(disc, st.floats(45, 75), st.floats(35, 55), st.floats(10, 20), st.floats(10, 20))
anywhere = st.builds(disc, st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(3, 40), st.floats(3, 40))
kinds = st.sampled_from(sorted(SPOILINGS))


@settings(max_examples=60, deadline=None)
@given(inside, kinds, st.floats(0.3, 0.8), st.integers(0, 2**32))
def test_the_iou_with_what_it_was_is_the_target(rle: Rle, kind: str, target: float, seed: int) -> None:
    spoiled = spoil(rle, kind, target=target, rng=np.random.default_rng(seed))
    # Shifts are of whole pixels: one of a disc of radius 10 costs 4 / (10 pi) of the IoU.
    assert masks.iou([spoiled], [rle])[0, 0] == pytest.approx(target, abs=0.09)


@settings(max_examples=60, deadline=None)
@given(anywhere, kinds, st.integers(0, 2**32))
def test_at_the_border_it_stays_within_the_image_and_is_no_better_than_asked(
    rle: Rle, kind: str, seed: int
) -> None:
    spoiled = spoil(rle, kind, target=0.5, rng=np.random.default_rng(seed))
    assert spoiled["size"] == [HEIGHT, WIDTH]
    assert masks.iou([spoiled], [rle])[0, 0] <= 0.62


@given(kinds, st.integers(0, 2**32))
def test_the_same_seed_spoils_in_the_same_way(kind: str, seed: int) -> None:
    rle = disc(60, 45, 20, 12)
    first, second = (spoil(rle, kind, target=0.5, rng=np.random.default_rng(seed)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("kind", sorted(SPOILINGS))
def test_an_outline_keeps_about_as_many_points_for_its_size(kind: str) -> None:
    """So that the length of a path does not tell what was spoiled."""
    rng = np.random.default_rng(0)
    options = SceneOptions(height=256, width=256, categories=("mushroom", "leaf"))
    scenes = [generate(options, np.random.default_rng([1, number])) for number in range(12)]
    objects = [masks.encode(mask) for scene in scenes for mask in scene.masks]
    spoiled = [spoil(rle, kind, target=0.5, rng=rng) for rle in objects]
    assert np.median(points_by_size(spoiled)) == pytest.approx(np.median(points_by_size(objects)), rel=0.2)


def points_by_size(rles: list[Rle]) -> list[float]:
    """Points of outlines, for each pixel of their boxes' sides."""
    points = [len(re.findall(r"\d+(?:\.\d+)?", masks.outline(rle))) / 2 for rle in rles]
    return [count / sum(box[2:]) for count, box in zip(points, masks.boxes(rles), strict=True)]


def test_cutting_takes_away_and_growing_adds() -> None:
    rle = disc(60, 45, 20, 12)
    whole = masks.decode(rle)
    cut, grown = (
        masks.decode(spoil(rle, kind, target=0.5, rng=np.random.default_rng(1))) for kind in ("cut", "grown")
    )
    assert not (cut & ~whole).any()
    assert not (whole & ~grown).any()


def test_a_mask_of_one_pixel_is_never_spoiled_away_by_a_cut() -> None:
    rle = disc(60, 45, 0.5, 0.5)
    assert masks.areas([spoil(rle, "cut", target=0.5, rng=np.random.default_rng(1))])[0] == 1


def test_merged_masks_are_their_union() -> None:
    a, b = disc(30, 30, 10, 10), disc(80, 60, 12, 9)
    assert masks.areas([merge(a, b)])[0] == masks.areas([a, b]).sum()
