"""Points are centred, scaled and distinct; distances come out right in float32 wherever the data lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from pipeline.linkage import linkage
from pipeline.linkage.distances import Points, condensed_distances
from pipeline.linkage.points import distinct, frame_of
from pipeline.linkage.scales import ALL_PAIRS_UP_TO, pair_scales
from pipeline.linkage.threads import Crew


def points_of(vectors: NDArray[np.floating], *, rooted: bool = False) -> Points:
    n = len(vectors)
    return Points(vectors.astype(np.float32), np.zeros(n, np.float32), np.ones(n, np.float32), rooted)


@pytest.mark.parametrize("n", [2, 383, 385, 900, 1600])
def test_tiles_of_every_size_cover_each_pair_once(n: int) -> None:
    vectors = np.random.default_rng(n).normal(size=(n, 7)).astype(np.float32)
    with Crew(2) as crew:
        distances, nearest = condensed_distances(points_of(vectors), k=min(5, n - 1), ward=False, crew=crew)
    wanted = pdist(vectors.astype(np.float64), "sqeuclidean")
    assert np.allclose(distances, wanted, rtol=1e-4, atol=1e-6)
    square = squareform(distances)
    np.fill_diagonal(square, np.inf)
    assert np.array_equal(nearest.distance[0], np.sort(square, axis=1)[:, : min(5, n - 1)])
    assert np.array_equal(np.take_along_axis(square, nearest.item[0].astype(int), 1), nearest.distance[0])


@pytest.mark.parametrize("offset", [0.0, 10.0, 1e4])
def test_tight_groups_far_apart_keep_their_inner_distances(offset: float) -> None:
    rng = np.random.default_rng(3)
    vectors = 1e-3 * rng.normal(size=(60, 20)) + offset * rng.integers(0, 2, 60)[:, None]
    frame = frame_of(vectors, None, method="complete", seed=0)
    with Crew(1) as crew:
        distances, _ = condensed_distances(frame.points(vectors, None), k=3, ward=False, crew=crew)
    held = vectors.astype(np.float64)
    close = pdist(held) < 1
    tolerance = 2e-3 if offset < 1e4 else 1  # at 1e4 float32 itself holds no more than 1e-3
    assert np.allclose(frame.heights(distances)[close], pdist(held)[close], rtol=tolerance)


@settings(deadline=None)
@given(exponent=st.integers(-30, 30), shift=st.floats(-1e6, 1e6))
def test_heights_follow_the_unit_of_the_features_and_not_their_place(exponent: int, shift: float) -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(30, 4))
    merges = linkage(10.0**exponent * vectors)
    assert np.allclose(merges[:, 2], 10.0**exponent * linkage(vectors)[:, 2], rtol=1e-3)
    moved = linkage(vectors + shift)
    assert np.allclose(moved[:, 2], linkage(vectors)[:, 2], rtol=1e-3)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_equal_points_are_taken_together_and_counted(kinds: list[int]) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)[kinds]
    found = distinct(points_of(vectors))
    assert len(found.points) == len(set(kinds))
    assert found.points.sizes.sum() == len(kinds)
    assert np.array_equal(found.points.vectors, vectors[found.rows])
    assert np.array_equal(vectors[found.copies[:, 0]], vectors[found.copies[:, 1]])
    assert sorted([*found.rows, *found.copies[:, 1]]) == list(range(len(kinds)))


def test_points_that_differ_in_score_alone_are_two() -> None:
    points = Points(
        np.ones((3, 2), np.float32), np.array([0, 1, 0], np.float32), np.ones(3, np.float32), True
    )
    assert distinct(points).copies.tolist() == [[0, 2]]


def test_half_precision_features_are_clustered_as_they_are() -> None:
    vectors = np.random.default_rng(1).normal(size=(200, 16)).astype(np.float16)
    assert np.array_equal(linkage(vectors), linkage(vectors.astype(np.float64)))


@pytest.mark.parametrize("n", [2, 5, 300])
def test_scales_are_the_standard_deviations_over_all_pairs(n: int) -> None:
    rng = np.random.default_rng(n)
    features, scores = rng.normal(size=(n, 4)) + 5, rng.random(n)
    found = pair_scales(features, scores, seed=0)
    if n > 2:
        assert found.features == pytest.approx(pdist(features).std())
        assert found.scores == pytest.approx(pdist(scores[:, None]).std())
    else:
        assert (found.features, found.scores) == (1.0, 1.0)


def test_scales_of_many_rows_are_estimated_within_two_percent_and_reproducibly() -> None:
    rng = np.random.default_rng(1)
    n = 2 * ALL_PAIRS_UP_TO
    features, scores = rng.normal(size=(n, 4)), rng.random(n)
    found = pair_scales(features, scores, seed=7)
    assert found == pair_scales(features, scores, seed=7)
    assert found.features == pytest.approx(pdist(features).std(), rel=0.03)
    assert found.scores == pytest.approx(pdist(scores[:, None]).std(), rel=0.03)


def test_equal_scores_weigh_nothing() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 3))
    shape = [0, 1, 3]
    assert np.array_equal(linkage(vectors, np.full(50, 0.3))[:, shape], linkage(vectors)[:, shape])
