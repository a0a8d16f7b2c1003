"""Strategies are sort keys: what each takes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trees import random_tree_of_halves, trees

from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.strategies import DEFAULT_STRATEGY, STRATEGIES, Knowledge, MissingKnowledge

TREE = random_tree_of_halves(np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.8, 0.7, 0.6]))


def order(name: str, nodes: list[int], **known: object) -> list[int]:
    priorities = STRATEGIES[name](TREE, np.array(nodes), Knowledge(Thresholds(), **known))
    return [nodes[i] for i in np.argsort(-priorities, kind="stable")]


def spanning(lo: int, hi: int) -> int:
    return int(np.flatnonzero((TREE.lo == lo) & (TREE.hi == hi))[0])


LEFT, RIGHT = spanning(0, 4), spanning(4, 8)
LEFT_PAIR, RIGHT_PAIR = spanning(0, 2), spanning(4, 6)


def test_best_first_is_the_default_and_takes_the_highest_mean_score() -> None:
    assert DEFAULT_STRATEGY == "best_first"
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
