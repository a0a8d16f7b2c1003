"""`linkage` makes one tree of any masks, the same each time, and says by name what it cannot cluster."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from pipeline.dendrogram import Dendrogram
from pipeline.linkage import METHODS, InvalidFeatures, UnknownLinkage, linkage


def mixture(n: int, d: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    kinds = max(2, n // 20)
    return (3 * rng.normal(size=(kinds, d))[rng.integers(0, kinds, n)] + rng.normal(size=(n, d))).astype(
        np.float32
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 3, 5, 17, 120])
def test_features_alone_give_scipys_tree_of_euclidean_distances(method: str, n: int) -> None:
    features = mixture(n, 6, n)
    theirs = hierarchy.linkage(features.astype(np.float64), method)
    ours = linkage(features, method=method)
    assert np.array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    assert np.allclose(ours[:, 2], theirs[:, 2], rtol=1e-5)


@pytest.mark.parametrize("method", ["complete", "average"])
def test_with_scores_the_distance_is_the_papers_sum_of_scaled_parts(method: str) -> None:
    features, scores = mixture(150, 6, 1), np.random.default_rng(2).random(150)
    apart, gaps = pdist(features.astype(np.float64)), pdist(scores[:, None])
    theirs = hierarchy.linkage(apart / apart.std() + gaps / gaps.std(), method)
    ours = linkage(features, scores, method=method)
    assert np.array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    assert np.allclose(ours[:, 2], theirs[:, 2], rtol=1e-5)


def test_ward_with_scores_takes_the_score_as_one_more_dimension() -> None:
    features, scores = mixture(150, 6, 1), np.random.default_rng(2).random(150)
    apart, gaps = pdist(features.astype(np.float64)), pdist(scores[:, None])
    joined = np.column_stack([features.astype(np.float64) / apart.std(), scores / gaps.std()])
    theirs = hierarchy.linkage(joined, "ward")
    ours = linkage(features, scores, method="ward")
    assert np.array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    assert np.allclose(ours[:, 2], theirs[:, 2], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_masks_that_are_all_the_same_make_a_tree_of_no_height(method: str, scored: bool, n: int) -> None:
    for value in (0.0, 7.25):
        merges = linkage(np.full((n, 4), value), np.full(n, 0.5) if scored else None, method=method)
        assert merges.shape == (n - 1, 4)
        assert np.all(merges[:, 2] == 0)
        assert Dendrogram.from_linkage(merges, np.ones(n)).n == n


@pytest.mark.parametrize("method", METHODS)
def test_the_same_input_gives_the_same_tree(method: str) -> None:
    features, scores = mixture(700, 8, 3), np.random.default_rng(4).random(700)
    assert np.array_equal(
        linkage(features, scores, method=method, seed=5), linkage(features, scores, method=method, seed=5)
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_no_numbers_are_refused_by_their_place(value: float) -> None:
    features = mixture(50, 4, 5)
    features[[3, 41], 2] = value
    with pytest.raises(InvalidFeatures, match=r"2 rows of the features hold NaN or infinity: 3, 41\."):
        linkage(features)
    scores = np.ones(50)
    scores[7] = value
    with pytest.raises(InvalidFeatures, match=r"1 rows of the scores hold NaN or infinity: 7\."):
        linkage(mixture(50, 4, 5), scores)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (2, 2, 2)])
def test_features_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidFeatures, match="shape"):
        linkage(np.zeros(shape))


def test_scores_must_be_one_a_row() -> None:
    with pytest.raises(InvalidFeatures, match="as many scores"):
        linkage(np.zeros((3, 2)), np.zeros(2))


def test_an_unknown_linkage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownLinkage, match="complete, average, ward"):
        linkage(np.zeros((3, 2)), method="single")
