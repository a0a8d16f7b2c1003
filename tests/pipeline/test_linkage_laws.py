"""Whatever the masks: every merge joins a closest pair, heights rise, and without ties the tree is scipy's.

With ties there are several complete-linkage trees, of different heights even, and any may come out, the same
each time. What all of them have in common is promised: each merge is of two clusters that no other two are
nearer than, at their distance. Where distances are an ultrametric the heights are the same in all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from pipeline.dendrogram import Dendrogram
from pipeline.linkage import METHODS, linkage

Floats = NDArray[np.float64]

ROUNDING = 2e-5
"""Of distances from float32 vectors, as a share of the largest of them."""

KINDS: dict[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "one cloud": lambda rng, n, d: rng.normal(size=(n, d)),
    "groups": lambda rng, n, d: (
        8 * rng.normal(size=(1 + n // 15, d))[rng.integers(0, 1 + n // 15, n)] + rng.normal(size=(n, d))
    ),
    "heavy tails": lambda rng, n, d: rng.standard_t(2, size=(n, d)),
    "a cube": lambda rng, n, d: rng.random((n, d)),
    "a line": lambda rng, n, d: np.outer(rng.random(n) ** 3, rng.normal(size=d)),
    "far from the origin": lambda rng, n, d: 1e4 + 100 * rng.normal(size=(n, d)),
    "a grid, full of ties": lambda rng, n, d: rng.integers(0, 3, (n, d)).astype(float),
    "copies of a few": lambda rng, n, d: rng.normal(size=(1 + n // 8, d))[rng.integers(0, 1 + n // 8, n)],
}


@st.composite
def masks(draw: st.DrawFn, most: int = 90) -> tuple[Floats, Floats | None]:
    """Feature vectors of some kind, with or without scores; all float32 numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, d = draw(st.integers(1, most)), draw(st.integers(1, 12))
    features = KINDS[draw(st.sampled_from(sorted(KINDS)))](rng, n, d).astype(np.float32).astype(np.float64)
    return features, rng.random(n) if draw(st.booleans()) else None


def distances(features: Floats, scores: Floats | None, method: str) -> Floats:
    """The paper's distance by definition, Ward's with the score as one more dimension."""
    apart = pdist(features)
    if scores is None:
        return apart
    gaps = pdist(scores[:, None])
    far, wide = (part.std() if part.std() > 1e-7 * part.max(initial=0) else 1.0 for part in (apart, gaps))
    return np.hypot(apart / far, gaps / wide) if method == "ward" else apart / far + gaps / wide


def replayed(square: Floats, merges: Floats, method: str) -> tuple[Floats, Floats]:
    """Carry merges out by Lance and Williams: the distance of each, and the least of all other pairs then."""
    n = len(square)
    place, sizes = list(range(n)), np.ones(n)
    at, least = np.empty(n - 1), np.empty(n - 1)
    square = square.copy()
    np.fill_diagonal(square, np.inf)
    for k, (left, right) in enumerate(merges[:, :2].astype(int)):
        a, b = place[left], place[right]
        at[k] = square[a, b]
        square[a, b] = square[b, a] = np.inf
        least[k] = square.min()
        row = united(square[a], square[b], at[k], sizes[a], sizes[b], sizes, method)
        square[a], square[:, a] = row, row
        square[b], square[:, b] = np.inf, np.inf
        square[a, a] = np.inf
        sizes[a] += sizes[b]
        place.append(a)
    return at, least


def united(to_a: Floats, to_b: Floats, between: float, a: float, b: float, c: Floats, method: str) -> Floats:
    if method == "complete":
        return np.maximum(to_a, to_b)
    if method == "average":
        return (a * to_a + b * to_b) / (a + b)
    with np.errstate(invalid="ignore"):  # infinities of what is merged already
        squares = ((a + c) * to_a**2 + (b + c) * to_b**2 - c * between**2) / (a + b + c)
    return np.where(np.isfinite(to_a), np.sqrt(np.maximum(squares, 0)), np.inf)


def assert_closest_pairs(features: Floats, scores: Floats | None, method: str) -> None:
    merges = linkage(features, scores, method=method)
    square = squareform(distances(features, scores, method))
    at, least = replayed(square, merges, method)
    unit = ROUNDING * square.max()
    assert np.all(at <= least + unit)
    assert np.allclose(merges[:, 2], at, rtol=ROUNDING, atol=unit)


@settings(deadline=None)
@given(masks(), st.sampled_from(sorted(METHODS)))
def test_every_merge_joins_two_clusters_that_no_other_two_are_nearer_than(
    found: tuple[Floats, Floats | None], method: str
) -> None:
    features, scores = found
    assume(len(features) > 1)
    assert_closest_pairs(features, scores, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_so_do_those_of_trees_that_are_made_level_by_level(kind: str, method: str) -> None:
    rng = np.random.default_rng(1)
    features = KINDS[kind](rng, 700, 6).astype(np.float32).astype(np.float64)
    assert_closest_pairs(features, rng.random(700), method)


UNTIED = sorted(kind for kind in KINDS if "ties" not in kind and "copies" not in kind)


@settings(deadline=None)
@given(
    kind=st.sampled_from(UNTIED),
    n=st.integers(2, 40),
    seed=st.integers(0, 2**32),
    method=st.sampled_from(sorted(METHODS)),
    scored=st.booleans(),
)
def test_without_ties_the_tree_is_scipys(kind: str, n: int, seed: int, method: str, scored: bool) -> None:
    rng = np.random.default_rng(seed)
    features = KINDS[kind](rng, n, 5).astype(np.float32).astype(np.float64)
    scores = rng.random(n) if scored else None
    condensed = distances(features, scores, method)
    theirs = hierarchy.linkage(condensed, method)
    at, least = replayed(squareform(condensed), theirs, method)
    assume(np.all(least - at > ROUNDING * condensed.max()))
    ours = linkage(features, scores, method=method)
    assert np.array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    assert np.allclose(ours[:, 2], theirs[:, 2], atol=ROUNDING * condensed.max())


@settings(deadline=None)
@given(masks(), st.sampled_from(sorted(METHODS)))
def test_any_masks_make_one_tree_of_rising_heights_the_same_each_time(
    found: tuple[Floats, Floats | None], method: str
) -> None:
    features, scores = found
    merges = linkage(features, scores, method=method)
    assert np.all(np.diff(merges[:, 2]) >= 0)
    assert Dendrogram.from_linkage(merges, np.ones(len(features))).n == len(features)
    assert np.array_equal(merges, linkage(features, scores, method=method, threads=2))


@settings(deadline=None)
@given(
    branching=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    method=st.sampled_from(["complete", "average"]),
)
def test_tied_distances_of_an_ultrametric_give_scipys_heights(
    branching: list[int], seed: int, method: str
) -> None:
    features = np.random.default_rng(seed).permutation(nested_simplices(branching))
    assume(len(features) > 1)
    theirs = hierarchy.linkage(pdist(features), method)
    assert np.allclose(linkage(features, method=method)[:, 2], theirs[:, 2], rtol=ROUNDING)


def nested_simplices(branching: list[int]) -> Floats:
    """Points of which those in one branch are all as far apart; each level four times as far in squares."""
    rows = np.zeros((1, 0))
    for level, branches in enumerate(branching):
        corners = 2.0 ** (len(branching) - level) * np.eye(branches)
        if level:  # the corners of each point of the level above are dimensions of their own
            corners = np.kron(np.eye(len(rows)), corners)
        rows = np.column_stack([np.repeat(rows, branches, axis=0), corners])
    return rows


@settings(deadline=None)
@given(
    n=st.integers(1, 60),
    copies=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    method=st.sampled_from(sorted(METHODS)),
)
def test_copies_merge_first_at_no_height_and_zero_vectors_are_like_others(
    n: int, copies: int, seed: int, method: str
) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.vstack([np.zeros((1, 5)), rng.normal(size=(n - 1, 5))])
    features = np.vstack([kinds, kinds[rng.integers(0, n, copies)]])
    features = rng.permutation(features)
    heights = linkage(features, method=method)[:, 2]
    assert np.count_nonzero(heights == 0) == copies
    if method == "complete":
        assert np.allclose(heights[copies:], linkage(kinds, method=method)[:, 2], rtol=1e-4)
