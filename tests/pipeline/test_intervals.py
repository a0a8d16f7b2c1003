"""Of nested intervals the innermost counts, and every leaf is told once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intervals import innermost
from tests.pipeline.made_trees import random_tree_of_halves


@given(st.lists(st.integers(0, 62), max_size=20), st.integers(0, 2**32 - 1))
def test_each_leaf_belongs_to_the_last_smallest_interval_around_it(nodes: list[int], seed: int) -> None:
    tree = random_tree_of_halves(np.random.default_rng(seed).random(32))
    intervals = [(int(tree.lo[node]), int(tree.hi[node])) for node in nodes]
    painted = np.full(32, -1)
    for lo, hi, index in innermost(intervals):
        assert lo < hi
        assert (painted[lo:hi] == -1).all()
        painted[lo:hi] = index
    for leaf in range(32):
        around = [i for i, (lo, hi) in enumerate(intervals) if lo <= leaf < hi]
        best = min(around, key=lambda i: (intervals[i][1] - intervals[i][0], -i), default=-1)
        assert painted[leaf] == best


def test_pieces_come_in_ascending_order() -> None:
    assert innermost([(0, 10), (2, 4), (6, 8), (12, 13)]) == [
        (0, 2, 0), (2, 4, 1), (4, 6, 0), (6, 8, 2), (8, 10, 0), (12, 13, 3),
    ]  # fmt: skip


def test_of_nothing_there_are_no_pieces() -> None:
    assert innermost([]) == []
