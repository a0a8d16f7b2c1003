"""Lists, squeezing and the chain find the tree that scipy finds, on any dissimilarities without ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from pipeline.linkage import levels
from pipeline.linkage.chain import chain_merges
from pipeline.linkage.levels import level_merges
from pipeline.linkage.merges import Merges, numbered
from pipeline.linkage.methods import AVERAGE, COMPLETE, METHODS, WARD
from pipeline.linkage.nearest import Nearest
from pipeline.linkage.settle import settle
from pipeline.linkage.squeeze import squeeze
from pipeline.linkage.threads import Crew


def untied(n: int, seed: int) -> NDArray[np.float32]:
    """Condensed dissimilarities, no two alike, that float32 holds exactly; no metric need fit them."""
    return (np.random.default_rng(seed).permutation(n * (n - 1) // 2) + 1).astype(np.float32)


def nearest_of(condensed: NDArray[np.float32], k: int) -> Nearest:
    square = squareform(condensed)
    np.fill_diagonal(square, np.inf)
    item = np.argsort(square, axis=1, kind="stable")[:, :k].astype(np.int32)
    distance = np.take_along_axis(square, item, axis=1)
    return Nearest(distance[None].copy(), item[None].copy(), distance[:, -1].copy())


def by_levels(condensed: NDArray[np.float32], n: int, method: int, *, k: int = 4, threads: int = 1) -> Merges:
    with Crew(threads) as crew:
        return level_merges(
            condensed.copy(),
            np.ones(n, np.float32),
            nearest_of(condensed, min(k, n - 1)),
            method=method,
            crew=crew,
            small=2,
        )


def by_chain(condensed: NDArray[np.float32], n: int, method: int) -> Merges:
    return chain_merges(condensed.copy(), np.ones(n, np.float32), n, method)


def assert_scipys_tree(merges: Merges, theirs: NDArray[np.float64], *, rooted: bool = False) -> None:
    first, second, distance = merges
    ours = numbered(first, second, np.sqrt(distance) if rooted else distance, len(theirs) + 1)
    assert np.array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    assert np.allclose(ours[:, 2], theirs[:, 2], rtol=2e-5)


def nearly_tied(merges: NDArray[np.float64]) -> bool:
    """Whether float32 may settle two merges the other way round."""
    return bool(np.diff(merges[:, 2]).min(initial=1) < 1e-4 * merges[-1, 2])


@settings(deadline=None)
@given(
    n=st.integers(2, 120),
    seed=st.integers(0, 2**32),
    k=st.sampled_from([1, 2, 3, 16]),
    threads=st.sampled_from([1, 2]),
)
def test_complete_linkage_is_scipys_whatever_the_lengths_of_the_lists(
    n: int, seed: int, k: int, threads: int
) -> None:
    condensed = untied(n, seed)
    theirs = hierarchy.linkage(condensed.astype(np.float64), "complete")
    ours = by_levels(condensed, n, COMPLETE, k=k, threads=threads)
    assert_scipys_tree(ours, theirs)
    assert_scipys_tree(by_chain(condensed, n, COMPLETE), theirs)


@settings(deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 2**32), k=st.sampled_from([1, 2, 3, 16]))
def test_average_linkage_is_scipys(n: int, seed: int, k: int) -> None:
    condensed = np.random.default_rng(seed).random(n * (n - 1) // 2).astype(np.float32)
    theirs = hierarchy.linkage(condensed.astype(np.float64), "average")
    if nearly_tied(theirs):
        return
    assert_scipys_tree(by_levels(condensed, n, AVERAGE, k=k), theirs)
    assert_scipys_tree(by_chain(condensed, n, AVERAGE), theirs)


@settings(deadline=None)
@given(
    n=st.integers(2, 60), d=st.integers(1, 9), seed=st.integers(0, 2**32), k=st.sampled_from([1, 2, 3, 16])
)
def test_ward_is_scipys(n: int, d: int, seed: int, k: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, d))
    condensed = pdist(points, "sqeuclidean").astype(np.float32)
    theirs = hierarchy.linkage(points, "ward")
    if nearly_tied(theirs):
        return
    assert_scipys_tree(by_levels(condensed, n, WARD, k=k), theirs, rooted=True)
    assert_scipys_tree(by_chain(condensed, n, WARD), theirs, rooted=True)


@pytest.mark.parametrize("method", METHODS)
def test_items_that_stand_for_several_masks_count_as_often(method: str) -> None:
    rng = np.random.default_rng(8)
    points, sizes = rng.normal(size=(40, 3)), rng.integers(1, 5, 40)
    copied = np.repeat(points, sizes, axis=0)
    theirs = hierarchy.linkage(copied, method)[len(copied) - 40 :, 2]
    squared = method != "average"
    condensed = pdist(points, "sqeuclidean" if squared else "euclidean").astype(np.float32)
    for small in (2, 100):
        with Crew(1) as crew:
            _, _, found = level_merges(
                condensed.copy(),
                sizes.astype(np.float32),
                ward_ranked(condensed, sizes) if method == "ward" else nearest_of(condensed, 3),
                method=METHODS[method],
                crew=crew,
                small=small,
            )
        assert np.allclose(np.sort(np.sqrt(found) if squared else found), theirs, rtol=1e-4)


def ward_ranked(condensed: NDArray[np.float32], sizes: NDArray[np.integer]) -> Nearest:
    """Lists ranked by Ward's distance of clusters of these sizes."""
    a, b = sizes[np.triu_indices(len(sizes), 1)[0]], sizes[np.triu_indices(len(sizes), 1)[1]]
    return nearest_of((condensed * (2 * a * b / (a + b)).astype(np.float32)).astype(np.float32), 3)


@settings(deadline=None)
@given(n=st.integers(2, 25), values=st.integers(1, 4), seed=st.integers(0, 2**32), k=st.sampled_from([1, 3]))
def test_with_ties_every_merge_is_still_one_of_the_closest_pairs(
    n: int, values: int, seed: int, k: int
) -> None:
    condensed = np.random.default_rng(seed).integers(1, values + 1, n * (n - 1) // 2).astype(np.float32)
    for first, second, distance in (by_levels(condensed, n, COMPLETE, k=k), by_chain(condensed, n, COMPLETE)):
        merges = numbered(first, second, distance, n)
        assert_greedy_complete_linkage(squareform(condensed), merges)


def assert_greedy_complete_linkage(square: NDArray[np.float64], merges: NDArray[np.float64]) -> None:
    """Row by row, the two merged are at the least distance of any two there are."""
    n = len(square)
    open_clusters = {node: [node] for node in range(n)}
    for k, (left, right, height, size) in enumerate(merges):
        farthest = {
            (a, b): square[np.ix_(open_clusters[a], open_clusters[b])].max()
            for a in open_clusters
            for b in open_clusters
            if a < b
        }
        assert farthest[int(left), int(right)] == height == min(farthest.values())
        open_clusters[n + k] = open_clusters.pop(int(left)) + open_clusters.pop(int(right))
        assert len(open_clusters[n + k]) == size


@pytest.mark.parametrize("method", METHODS.values())
def test_the_number_of_threads_changes_nothing(method: int) -> None:
    condensed = np.random.default_rng(5).integers(1, 500, 900 * 899 // 2).astype(np.float32)
    alone, shared = (by_levels(condensed, 900, method, k=8, threads=threads) for threads in (1, 3))
    for ours, theirs in zip(alone, shared, strict=True):
        assert np.array_equal(ours, theirs)


@settings(deadline=None)
@given(n=st.integers(2, 90), seed=st.integers(0, 2**32), method=st.sampled_from([COMPLETE, AVERAGE, WARD]))
def test_squeezed_distances_are_those_between_the_groups(n: int, seed: int, method: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 5))
    condensed = pdist(points, "sqeuclidean").astype(np.float32)
    sizes = np.ones(n, np.float32)
    _, groups = settle(condensed, sizes, nearest_of(condensed, min(6, n - 1)), method)
    with Crew(2) as crew:
        squeezed, counts, nearest = squeeze(condensed.copy(), sizes, groups, method=method, k=3, crew=crew)
    members = [np.flatnonzero(groups.group == g) for g in range(len(counts))]
    wanted = np.array(
        [between(points, a, b, method) for i, a in enumerate(members) for b in members[i + 1 :]], np.float32
    )
    assert counts.tolist() == [len(rows) for rows in members]
    assert np.allclose(squeezed, wanted, rtol=1e-4, atol=1e-5)
    ranked = nearest_of(ranks(squeezed, counts, method), min(3, max(1, len(counts) - 1)))
    if len(counts) > 1:
        assert np.allclose(nearest.distance, ranked.distance)


def between(points: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64], method: int) -> float:
    """The distance of two groups by definition."""
    if method == WARD:
        return float(np.sum((points[a].mean(axis=0) - points[b].mean(axis=0)) ** 2))
    apart = ((points[a][:, None] - points[b]) ** 2).sum(axis=2)
    return float(apart.max() if method == COMPLETE else apart.mean())


def ranks(condensed: NDArray[np.float32], sizes: NDArray[np.float32], method: int) -> NDArray[np.float32]:
    if method != WARD:
        return condensed
    left, right = np.triu_indices(len(sizes), 1)
    return condensed * (2 * sizes[left] * sizes[right] / (sizes[left] + sizes[right]))


def test_data_that_settle_little_are_left_to_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_PASSES", 2)
    steps = np.cumsum(
        1.1 ** np.arange(150)
    )  # every point is nearer to the cluster before it than to the next
    condensed = pdist(steps[:, None]).astype(np.float32)
    theirs = hierarchy.linkage(condensed.astype(np.float64), "complete")
    assert_scipys_tree(by_levels(condensed, 150, COMPLETE, k=1), theirs)


def test_a_long_staircase_is_one_cluster_after_the_other() -> None:
    steps = np.cumsum(1.01 ** np.arange(600))
    condensed = pdist(steps[:, None]).astype(np.float32)
    theirs = hierarchy.linkage(condensed.astype(np.float64), "complete")
    ours = numbered(*by_levels(condensed, 600, COMPLETE, k=16), 600)
    assert np.allclose(ours[:, 2], theirs[:, 2], rtol=1e-5)
