"""A cluster is an interval of leaves, a subtree an interval of nodes, and bytes bring the same tree back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from pipeline.dendrogram import CorruptTree, Dendrogram, InvalidMerges, LeafHasNoChildren, stored_scores


def random_merges(n: int, rng: np.random.Generator, *, chained: bool = False) -> NDArray[np.float64]:
    """Merges of n leaves: every pair of open nodes is as likely as another, or one long chain."""
    open_nodes = list(rng.permutation(n))
    merges = np.zeros((n - 1, 4))
    sizes = dict.fromkeys(range(n), 1)
    for k in range(n - 1):
        first = open_nodes.pop(0 if chained else int(rng.integers(len(open_nodes))))
        second = open_nodes.pop(0 if chained else int(rng.integers(len(open_nodes))))
        sizes[n + k] = sizes[first] + sizes[second]
        merges[k] = first, second, np.sqrt(k), sizes[n + k]
        open_nodes.insert(0, n + k)
    return merges


@st.composite
def trees(draw: st.DrawFn) -> tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 60))
    merges = random_merges(n, rng, chained=draw(st.booleans()))
    scores = rng.random(n)
    return Dendrogram.from_linkage(merges, scores), merges, scores


def members(merges: NDArray[np.float64], n: int) -> list[set[int]]:
    """What every scipy node holds, by the definition."""
    held = [{leaf} for leaf in range(n)]
    for left, right in merges[:, :2].astype(int):
        held.append(held[left] | held[right])
    return held


@given(trees())
def test_the_clusters_are_those_of_the_merges_with_their_heights(
    tree_of: tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    tree, merges, _ = tree_of
    wanted = {frozenset(m) for m in members(merges, tree.n)}
    found = [frozenset(tree.order[tree.lo[c] : tree.hi[c]].tolist()) for c in range(2 * tree.n - 1)]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    heights = dict(zip(map(frozenset, members(merges, tree.n)[tree.n :]), merges[:, 2], strict=True))
    for c, cluster in enumerate(found):
        assert tree.height[c] == np.float32(heights.get(cluster, 0.0))


@given(trees())
def test_children_split_their_parent_and_are_numbered_in_preorder(
    tree_of: tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    tree, _, _ = tree_of
    inner = np.flatnonzero(~tree.is_leaf(np.arange(2 * tree.n - 1)))
    left, right = tree.children(inner)
    assert np.array_equal(left, inner + 1)
    assert np.array_equal(right, inner + 2 * tree.size(left))
    assert np.array_equal(tree.lo[left], tree.lo[inner])
    assert np.array_equal(tree.hi[left], tree.lo[right])
    assert np.array_equal(tree.hi[right], tree.hi[inner])
    assert np.array_equal(tree.parent[left], inner)
    assert np.array_equal(tree.parent[right], inner)
    assert np.array_equal(tree.depth[left], tree.depth[inner] + 1)
    assert np.array_equal(tree.depth[right], tree.depth[inner] + 1)
    assert (tree.parent[0], tree.depth[0], tree.lo[0], tree.hi[0]) == (-1, 0, 0, tree.n)


@given(trees(), st.data())
def test_two_clusters_nest_or_share_nothing_and_a_subtree_is_what_lies_inside(
    tree_of: tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]], data: st.DataObject
) -> None:
    tree, _, _ = tree_of
    c = data.draw(st.integers(0, 2 * tree.n - 2))
    inside = (tree.lo >= tree.lo[c]) & (tree.hi <= tree.hi[c])
    around = (tree.lo <= tree.lo[c]) & (tree.hi >= tree.hi[c])
    apart = (tree.hi <= tree.lo[c]) | (tree.lo >= tree.hi[c])
    assert np.all(inside | around | apart)
    assert np.array_equal(np.arange(2 * tree.n - 1)[tree.subtree(c)], np.flatnonzero(inside))


@given(trees())
def test_the_mean_score_is_that_of_the_members(
    tree_of: tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    tree, _, scores = tree_of
    nodes = np.arange(2 * tree.n - 1)
    by_hand = [scores[tree.order[tree.lo[c] : tree.hi[c]]].mean() for c in nodes]
    assert np.allclose(tree.mean(nodes), by_hand)
    assert float(tree.mean(0)) == pytest.approx(scores.mean())


@given(trees())
def test_bytes_bring_the_same_tree_back(
    tree_of: tuple[Dendrogram, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    tree, _, _ = tree_of
    back = Dendrogram.from_bytes(tree.to_bytes())
    for name in Dendrogram.__slots__:
        before, after = getattr(tree, name), getattr(back, name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)
    assert back.to_bytes() == tree.to_bytes()
    assert np.array_equal(np.frombuffer(tree.to_bytes()[stored_scores(tree.n)], "<f8"), tree.score_sum)


def test_leaves_stand_in_the_order_scipy_gives_them() -> None:
    merges = hierarchy.linkage(np.random.default_rng(0).normal(size=(300, 5)), "complete")
    tree = Dendrogram.from_linkage(merges, np.ones(300))
    assert np.array_equal(tree.order, hierarchy.leaves_list(merges))


def test_a_single_leaf_is_its_own_root() -> None:
    tree = Dendrogram.from_linkage(np.empty((0, 4)), np.array([0.25]))
    assert (tree.n, tree.lo.tolist(), tree.hi.tolist(), tree.parent.tolist()) == (1, [0], [1], [-1])
    assert tree.mean([0]).tolist() == [0.25]
    assert Dendrogram.from_bytes(tree.to_bytes()).n == 1


def test_a_chain_of_two_hundred_thousand_leaves_needs_no_recursion() -> None:
    n = 200_000
    later = np.concatenate([[0], np.arange(n, 2 * n - 2)])
    merges = np.column_stack([np.arange(1, n), later, np.arange(n - 1), np.arange(2, n + 1)]).astype(float)
    tree = Dendrogram.from_linkage(merges, np.ones(n))
    assert tree.depth.max() == n - 1
    assert Dendrogram.from_bytes(tree.to_bytes()).depth.max() == n - 1


def test_a_tree_takes_at_most_sixty_bytes_a_leaf_in_memory_and_about_twenty_stored() -> None:
    tree = Dendrogram.from_linkage(random_merges(5_000, np.random.default_rng(0)), np.ones(5_000))
    assert sum(getattr(tree, name).nbytes for name in Dendrogram.__slots__) <= 60 * tree.n
    assert len(tree.to_bytes()) <= 20 * tree.n + 32


def test_nothing_in_a_tree_can_be_written() -> None:
    tree = Dendrogram.from_linkage(np.array([[0.0, 1.0, 2.0, 2.0]]), np.ones(2))
    for name in Dendrogram.__slots__:
        with pytest.raises(ValueError, match="read-only"):
            getattr(tree, name)[0] = 7


def test_scores_of_the_caller_stay_writable() -> None:
    scores = np.ones(2)
    Dendrogram.from_linkage(np.array([[0.0, 1.0, 2.0, 2.0]]), scores)
    scores[0] = 7


def test_children_of_a_leaf_are_refused_by_its_id() -> None:
    tree = Dendrogram.from_linkage(np.array([[0.0, 1.0, 2.0, 2.0]]), np.ones(2))
    with pytest.raises(LeafHasNoChildren, match="Node 2 is a leaf"):
        tree.children([0, 2])


@pytest.mark.parametrize(
    ("merges", "said"),
    [
        ([[0, 0, 1, 2], [2, 3, 2, 3]], "Node 0 is merged 2 times"),
        ([[0, 4, 1, 2], [1, 2, 2, 3]], r"Merge 0 joins \[0, 4\], but only 3 nodes"),
        ([[0, -1, 1, 2], [1, 2, 2, 3]], "Merge 0"),
        ([[0, 1, 1, 2]], r"shape \(2, 4\)"),
    ],
)
def test_merges_that_make_no_tree_are_refused(merges: list[list[float]], said: str) -> None:
    with pytest.raises(InvalidMerges, match=said):
        Dendrogram.from_linkage(np.array(merges, float), np.ones(3))


def test_a_tree_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidMerges):
        Dendrogram.from_linkage(np.empty((0, 4)), np.empty(0))


@pytest.mark.parametrize("place", [0, 8, 17, 40, -1])
def test_changed_bytes_are_refused(place: int) -> None:
    packed = bytearray(
        Dendrogram.from_linkage(random_merges(9, np.random.default_rng(1)), np.ones(9)).to_bytes()
    )
    packed[place] ^= 0xFF
    with pytest.raises(CorruptTree):
        Dendrogram.from_bytes(bytes(packed))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(CorruptTree):
        Dendrogram.from_bytes(junk)


@pytest.mark.parametrize("kept", [0, 10, 19, 60])
def test_bytes_cut_short_are_refused(kept: int) -> None:
    packed = Dendrogram.from_linkage(random_merges(9, np.random.default_rng(1)), np.ones(9)).to_bytes()
    with pytest.raises(CorruptTree):
        Dendrogram.from_bytes(packed[:kept])
