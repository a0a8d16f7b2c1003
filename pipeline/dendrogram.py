"""A binary cluster tree in which a cluster is an interval of leaves and a subtree an interval of nodes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

Nodes = int | np.integer | Sequence[int] | NDArray[np.integer]
"""One node id, or many."""

_HEADER = struct.Struct("<8sQI")  # magic and version, number of leaves, CRC-32 of the rest
_MAGIC = b"mgtree01"


class InvalidMerges(ValueError):
    """The merges do not describe one binary tree."""


class CorruptTree(ValueError):
    """The bytes are not a tree that `Dendrogram.to_bytes` wrote."""


class LeafHasNoChildren(ValueError):
    """Children were asked of a leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class Dendrogram:
    """A full binary tree of n leaves and 2n - 1 nodes, numbered in preorder.

    The root is node 0; the left child of node c is c + 1, its right child c + 2 size(left). The
    leaves of c are the positions `lo[c]` to `hi[c]` (exclusive) of `order`, its nodes the ids
    `c` to `c + 2 size(c) - 1` (exclusive). Nothing ever walks the tree to find out what it holds.

    Attributes
    ----------
    order : (n,) int32, leaf position -> row of the clustered features
    lo, hi : (2n - 1,) int32, first leaf position of a node, and one past its last
    parent : (2n - 1,) int32, -1 for the root
    depth : (2n - 1,) int32, 0 for the root
    height : (2n - 1,) float32, linkage distance at which the node was merged, 0 for leaves
    score_sum : (n + 1,) float64, sums of the first 0, 1, ... n scores in leaf order
    """

    order: NDArray[np.int32]
    lo: NDArray[np.int32]
    hi: NDArray[np.int32]
    parent: NDArray[np.int32]
    depth: NDArray[np.int32]
    height: NDArray[np.float32]
    score_sum: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in self.__slots__:
            getattr(self, name).flags.writeable = False

    @classmethod
    def from_linkage(cls, merges: NDArray[np.floating], scores: NDArray[np.floating]) -> Dendrogram:
        """The tree of scipy-style merges.

        Parameters
        ----------
        merges : (n - 1, 4), rows [node, node, height, size]; nodes n + k are made by row k
        scores : (n,) of the rows that were clustered

        The node in the first column becomes the left child.

        Raises
        ------
        InvalidMerges
            When the rows do not merge every node but the last exactly once, each after it was made.
        """
        n = len(scores)
        pairs = _checked_pairs(merges, n)
        order, left_size, height = _preorder(pairs, np.ascontiguousarray(merges[:, 2], np.float32), n)
        in_leaf_order = np.asarray(scores, np.float64)[order]
        return cls._unfolded(order, left_size, height, np.concatenate([[0.0], np.cumsum(in_leaf_order)]))

    @classmethod
    def _unfolded(
        cls,
        order: NDArray[np.int32],
        left_size: NDArray[np.int32],
        inner_height: NDArray[np.float32],
        score_sum: NDArray[np.float64],
    ) -> Self:
        lo, hi, parent, depth, height, sound = _unfold(left_size, inner_height)
        if not sound:
            raise CorruptTree("The sizes of the left children do not add up to a tree.")
        return cls(order, lo, hi, parent, depth, height, score_sum)

    @property
    def n(self) -> int:
        """Number of leaves."""
        return len(self.order)

    def size(self, c: Nodes) -> NDArray[np.int32]:
        """Number of leaves of nodes `c` (a scalar for one node)."""
        return np.subtract(self.hi[c], self.lo[c])

    def mean(self, c: Nodes) -> NDArray[np.float64]:
        """Mean score S of nodes `c` (Sec. 4, Search)."""
        return np.divide(self.score_sum[self.hi[c]] - self.score_sum[self.lo[c]], self.size(c))

    def is_leaf(self, c: Nodes) -> NDArray[np.bool_]:
        """Whether nodes `c` are single masks."""
        return np.equal(self.size(c), 1)

    def children(self, c: Nodes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Left and right children of nodes `c`.

        Raises
        ------
        LeafHasNoChildren
            When any of `c` is a leaf.
        """
        nodes = np.asarray(c, np.int64)
        if np.any(self.is_leaf(nodes)):
            leaf = nodes.reshape(-1)[np.argmax(self.is_leaf(nodes.reshape(-1)))]
            raise LeafHasNoChildren(f"Node {leaf} is a leaf; ask `is_leaf` before `children`.")
        left = np.add(nodes, 1)
        return left, np.add(nodes, 2 * self.size(left).astype(np.int64))

    def subtree(self, c: int | np.integer) -> slice:
        """The node ids at and below `c`, as a slice of any per-node array."""
        return slice(int(c), int(c) + 2 * int(self.size(c)) - 1)

    def to_bytes(self) -> bytes:
        """The tree in some 20 bytes a leaf, the same for the same tree on every machine."""
        inner = self.hi - self.lo > 1
        left = np.flatnonzero(inner) + 1
        parts = (
            self.order.astype("<i4"),
            self.size(left).astype("<i4"),
            self.height[inner].astype("<f4"),
            self.score_sum.astype("<f8"),
        )
        body = b"".join(part.tobytes() for part in parts)
        return _HEADER.pack(_MAGIC, self.n, zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, packed: bytes | memoryview) -> Dendrogram:
        """The tree that `to_bytes` wrote.

        Raises
        ------
        CorruptTree
            When the bytes are something else, cut short, or changed.
        """
        n, body = _checked_body(memoryview(packed))
        ends = np.cumsum([4 * n, 4 * (n - 1), 4 * (n - 1), 8 * (n + 1)])
        order = np.frombuffer(body[: ends[0]], "<i4").astype(np.int32)
        left_size = np.frombuffer(body[ends[0] : ends[1]], "<i4").astype(np.int32)
        height = np.frombuffer(body[ends[1] : ends[2]], "<f4").astype(np.float32)
        score_sum = np.frombuffer(body[ends[2] :], "<f8").astype(np.float64)
        return cls._unfolded(order, left_size, height, score_sum)


def stored_scores(n: int) -> slice:
    """Where the bytes of a tree of n leaves hold its `score_sum`, as little-endian float64."""
    start = _HEADER.size + 4 * n + 2 * 4 * (n - 1)
    return slice(start, start + 8 * (n + 1))


def _checked_body(packed: memoryview) -> tuple[int, memoryview]:
    if len(packed) < _HEADER.size or packed[: len(_MAGIC)] != _MAGIC:
        raise CorruptTree(f"No tree of this version: {bytes(packed[:8])!r} where {_MAGIC!r} should stand.")
    _, n, checksum = _HEADER.unpack_from(packed)
    body = packed[_HEADER.size :]
    if n < 1 or len(body) != 20 * n:
        raise CorruptTree(f"A tree of {n} leaves takes {20 * n} bytes after its header, not {len(body)}.")
    if zlib.crc32(body) != checksum:
        raise CorruptTree("The checksum does not match: the bytes were changed after they were written.")
    return n, body


def _checked_pairs(merges: NDArray[np.floating], n: int) -> NDArray[np.int32]:
    """(n - 1, 4) merges -> (n - 1, 2) int32 nodes, known to form one binary tree over n leaves."""
    if n < 1 or merges.shape != (n - 1, 4):
        raise InvalidMerges(f"{n} leaves need merges of shape ({max(n - 1, 0)}, 4), not {merges.shape}.")
    pairs = merges[:, :2].astype(np.int64)
    made = (pairs >= 0) & (pairs < n + np.arange(n - 1)[:, None])
    if not made.all():
        row = int(np.argmin(made.all(axis=1)))
        raise InvalidMerges(
            f"Merge {row} joins {pairs[row].tolist()}, but only {n + row} nodes exist by then."
        )
    times = np.bincount(pairs.ravel(), minlength=2 * n - 1)
    if np.any(times[:-1] != 1):
        node = int(np.argmax(times[:-1] != 1))
        raise InvalidMerges(
            f"Node {node} is merged {times[node]} times; every node but the last is merged once."
        )
    return pairs.astype(np.int32)


@compiled
def _preorder(
    pairs: NDArray[np.int32], heights: NDArray[np.float32], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Leaf order, and for the inner nodes in preorder the sizes of their left children and their heights."""
    size = np.ones(2 * n - 1, np.int32)
    for k in range(n - 1):
        size[n + k] = size[pairs[k, 0]] + size[pairs[k, 1]]
    start = np.zeros(2 * n - 1, np.int32)  # first leaf position
    rank = np.zeros(2 * n - 1, np.int32)  # place among the inner nodes in preorder
    left_size = np.empty(n - 1, np.int32)
    height = np.empty(n - 1, np.float32)
    for k in range(n - 2, -1, -1):
        node, left, right = n + k, pairs[k, 0], pairs[k, 1]
        start[left], rank[left] = start[node], rank[node] + 1
        start[right], rank[right] = start[node] + size[left], rank[node] + size[left]
        left_size[rank[node]], height[rank[node]] = size[left], heights[k]
    order = np.empty(n, np.int32)
    for leaf in range(n):
        order[start[leaf]] = leaf
    return order, left_size, height


@compiled
def _unfold(
    left_size: NDArray[np.int32], inner_height: NDArray[np.float32]
) -> tuple[
    NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], bool
]:
    """Every node's lo, hi, parent, depth and height from the left sizes of the inner ones, in one pass."""
    n = len(left_size) + 1
    lo, hi = np.zeros(2 * n - 1, np.int32), np.zeros(2 * n - 1, np.int32)
    parent, depth = np.full(2 * n - 1, -1, np.int32), np.zeros(2 * n - 1, np.int32)
    height = np.zeros(2 * n - 1, np.float32)
    hi[0] = n
    inner = 0
    for c in range(2 * n - 1):
        size = hi[c] - lo[c]
        if size == 1:
            continue
        if inner == n - 1 or not 1 <= left_size[inner] < size:
            return lo, hi, parent, depth, height, False
        left, right = c + 1, c + 2 * left_size[inner]
        lo[left], hi[left] = lo[c], lo[c] + left_size[inner]
        lo[right], hi[right] = hi[left], hi[c]
        parent[left] = parent[right] = c
        depth[left] = depth[right] = depth[c] + 1
        height[c] = inner_height[inner]
        inner += 1
    return lo, hi, parent, depth, height, True
