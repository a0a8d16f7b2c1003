"""Strategies are sort keys: what each takes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trees import random_tree_of_halves, trees

from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.strategies import STRATEGIES, Knowledge, MissingKnowledge

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.8, 0.7, 0.6])
TREE = random_tree_of_halves(SCORES)


def order(name: str, nodes: list[int], *, tree: Dendrogram = TREE, **known: object) -> list[int]:
    priorities = STRATEGIES[name](tree, np.array(nodes), Knowledge(Thresholds(), **known))
    return [nodes[i] for i in np.argsort(-priorities, kind="stable")]


def spanning(lo: int, hi: int, *, tree: Dendrogram = TREE) -> int:
    return int(np.flatnonzero((tree.lo == lo) & (tree.hi == hi))[0])


LEFT, RIGHT = spanning(0, 4), spanning(4, 8)
LEFT_PAIR, RIGHT_PAIR = spanning(0, 2), spanning(4, 6)


def test_best_first_takes_the_highest_mean_score() -> None:
    assert order("best_first", [LEFT, RIGHT, RIGHT_PAIR]) == [RIGHT_PAIR, RIGHT, LEFT]


def test_breadth_first_takes_the_fewest_splits_first() -> None:
    assert order("breadth_first", [LEFT_PAIR, RIGHT, RIGHT_PAIR]) == [RIGHT, LEFT_PAIR, RIGHT_PAIR]


def test_depth_first_takes_the_leftmost() -> None:
    assert order("depth_first", [RIGHT, spanning(2, 4), LEFT_PAIR]) == [LEFT_PAIR, spanning(2, 4), RIGHT]


def test_depth_first_by_score_goes_down_the_better_side() -> None:
    leaves = [spanning(i, i + 1) for i in range(8)]
    assert [int(TREE.lo[c]) for c in order("depth_first_by_score", leaves)] == [4, 5, 6, 7, 3, 2, 1, 0]


def test_the_oracle_goes_by_true_ious() -> None:
    ious = np.array([0.9, 0.9, 0.5, 0.5, 0, 0, 0.1, 0.1])
    iou_sum = np.concatenate([[0], np.cumsum(ious)])
    assert order("oracle", [RIGHT, LEFT, LEFT_PAIR], iou_sum=iou_sum) == [LEFT_PAIR, LEFT, RIGHT]


def test_the_oracle_says_what_it_misses() -> None:
    with pytest.raises(MissingKnowledge, match="true IoUs"):
        STRATEGIES["oracle"](TREE, np.array([0]))


WIDE = random_tree_of_halves(np.repeat(SCORES, 32))


def calibrated(*p_high: float) -> Calibration:
    edges = tuple(np.linspace(0, 1, len(p_high) + 1).tolist())
    return Calibration(edges, (50,) * len(p_high), p_high, (0.0,) * len(p_high), p_high, k_pa=0.5)


def test_expected_yield_prefers_a_large_cluster_to_a_slightly_better_small_one() -> None:
    calibration = calibrated(0, 0, 0.4, 0.5, 0.6)
    pair, right = spanning(128, 192, tree=WIDE), spanning(128, 256, tree=WIDE)
    assert order("best_first", [pair, right], tree=WIDE) == [pair, right]
    assert order("expected_yield", [pair, right], tree=WIDE, calibration=calibration) == [right, pair]


def test_expected_yield_leaves_large_clusters_without_hope_for_later() -> None:
    calibration = calibrated(0, 0, 0, 0.9, 0.9)
    left, left_pair = spanning(0, 128, tree=WIDE), spanning(0, 64, tree=WIDE)
    right_pair = spanning(128, 192, tree=WIDE)
    nodes = [left_pair, left, right_pair]
    assert order("expected_yield", nodes, tree=WIDE, calibration=calibration) == [right_pair, left, left_pair]


def test_expected_yield_is_accepted_masks_over_questions() -> None:
    # P_h(S) = 0.5 for every S: 13 answers accept, 6 settle a split; 4 masks take 4 questions at most.
    known = Knowledge(Thresholds(), calibration=calibrated(0.5))
    wide = random_tree_of_halves(np.full(1000, 0.8))
    assert STRATEGIES["expected_yield"](wide, np.array([0]), known)[0] == pytest.approx(0.501 * 1000 / 9.5)
    assert STRATEGIES["expected_yield"](TREE, np.array([RIGHT]), known)[0] == pytest.approx(0.501)


def test_without_held_out_clusters_expected_yield_goes_by_score_times_size() -> None:
    empty = Calibration((0.0, 1.0), (0,), (0.0,), (1.0,), (0.0,), k_pa=0.7, warning="too little")
    for calibration in (None, empty):
        assert order("expected_yield", [LEFT_PAIR, LEFT, RIGHT], calibration=calibration) == [
            RIGHT,
            LEFT,
            LEFT_PAIR,
        ]


def by_recursion(tree: Dendrogram) -> list[int]:
    """Nodes in the order of a depth-first search that enters the child of the higher mean first."""
    found, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not tree.is_leaf(node):
            left, right = (int(child) for child in tree.children(node))
            better_left = tree.mean(left) >= tree.mean(right)
            waiting.extend([right, left] if better_left else [left, right])
    return found


@settings(deadline=None)
@given(tree=trees())
def test_depth_first_by_score_is_preorder_after_swapping_children(tree: Dendrogram) -> None:
    nodes = np.arange(len(tree.lo))
    priorities = STRATEGIES["depth_first_by_score"](tree, nodes)
    assert (-priorities[by_recursion(tree)]).tolist() == nodes.tolist()


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_a_priority_does_not_depend_on_the_other_nodes(tree: Dendrogram, data: st.DataObject) -> None:
    node = data.draw(st.integers(0, len(tree.lo) - 1))
    known = Knowledge(Thresholds(), iou_sum=tree.score_sum)
    for strategy in STRATEGIES.values():
        nodes = np.arange(len(tree.lo))
        together = strategy(tree, nodes, known)
        assert (nodes == np.arange(len(tree.lo))).all(), "a strategy changed its input"
        alone = strategy(tree, np.array([node]), known)
        assert together.dtype == np.float64
        assert together.shape == (len(tree.lo),)
        assert alone[0] == together[node]


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_nodes_have_no_priorities(name: str) -> None:
    known = Knowledge(Thresholds(), iou_sum=TREE.score_sum)
    assert STRATEGIES[name](TREE, np.empty(0, dtype=np.int64), known).shape == (0,)
