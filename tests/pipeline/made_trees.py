"""Trees of any shape for tests: random merges, without features."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.dendrogram import Dendrogram


def random_merges(n: int, rng: np.random.Generator, *, chained: float = 0.0) -> NDArray[np.float64]:
    """(n - 1, 4) merges of random pairs; a share `chained` of them takes the cluster made last."""
    alive = list(range(n))
    size = [1] * n
    merges = np.empty((max(n - 1, 0), 4))
    for k in range(n - 1):
        first = len(alive) - 1 if rng.random() < chained else int(rng.integers(len(alive)))
        a = alive.pop(first)
        b = alive.pop(int(rng.integers(len(alive))))
        size.append(size[a] + size[b])
        merges[k] = (a, b, k + 1.0, size[-1])
        alive.append(n + k)
    return merges


def random_tree(
    n: int, rng: np.random.Generator, *, scores: NDArray[np.floating] | None = None, chained: float = 0.0
) -> Dendrogram:
    """A tree of random shape over n masks with the given scores in leaf order, or uniform ones."""
    merges = random_merges(n, rng, chained=chained)
    order = Dendrogram.from_linkage(merges, np.zeros(n)).order
    by_row = np.empty(n)
    by_row[order] = rng.random(n) if scores is None else scores
    return Dendrogram.from_linkage(merges, by_row)


def sorted_tree(scores: NDArray[np.floating]) -> Dendrogram:
    """A balanced tree over masks in the order of their scores, best last: pure clusters at both ends."""
    return random_tree_of_halves(np.sort(scores))


def random_tree_of_halves(scores: NDArray[np.floating]) -> Dendrogram:
    """The balanced tree that joins neighbours, with the given scores in leaf order."""
    n = len(scores)
    level, made, merges = [(leaf, 1) for leaf in range(n)], n, []
    while len(level) > 1:
        joined = []
        for (a, size_a), (b, size_b) in zip(level[::2], level[1::2], strict=False):
            merges.append((a, b, float(len(merges) + 1), size_a + size_b))
            joined.append((made, size_a + size_b))
            made += 1
        level = joined + ([level[-1]] if len(level) % 2 else [])
    tree = Dendrogram.from_linkage(np.array(merges, dtype=float).reshape(-1, 4), np.zeros(n))
    by_row = np.empty(n)
    by_row[tree.order] = scores
    return Dendrogram.from_linkage(np.array(merges, dtype=float).reshape(-1, 4), by_row)


@st.composite
def trees(draw: st.DrawFn, max_size: int = 60) -> Dendrogram:
    """Trees of 1 to `max_size` leaves, from bushy to chains, with scores of few distinct values (ties)."""
    n = draw(st.integers(1, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    coarse = draw(st.sampled_from([2, 10, 1000]))
    return random_tree(
        n, rng, scores=rng.integers(0, coarse + 1, n) / coarse, chained=draw(st.sampled_from([0.0, 0.5, 1.0]))
    )
