"""Merges found in any order -> scipy's rows, sorted by height and numbered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

Merges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Two rows and a distance each: the clusters that hold the rows are merged. Sides come before their union."""


def numbered(
    first: NDArray[np.integer], second: NDArray[np.integer], heights: NDArray[np.floating], n: int
) -> NDArray[np.float64]:
    """n - 1 merges of n rows -> (n - 1, 4) float64 as scipy has it, heights not falling.

    A height that rounding, or the joining of partial trees, left below one of its sides is raised
    to it.
    """
    firsts, seconds = first.astype(np.int32), second.astype(np.int32)
    monotone = _raised(firsts, seconds, heights.astype(np.float64), n)
    order = np.argsort(monotone, kind="stable")
    return _numbered(firsts[order], seconds[order], monotone[order], n)


@compiled
def _root(root: NDArray[np.int32], row: int) -> int:
    while root[row] != row:
        root[row] = root[root[row]]
        row = root[row]
    return row


@compiled
def _raised(
    first: NDArray[np.int32], second: NDArray[np.int32], heights: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    root = np.arange(n).astype(np.int32)
    reached = np.zeros(n)
    for k in range(len(heights)):
        a, b = _root(root, first[k]), _root(root, second[k])
        heights[k] = max(heights[k], reached[a], reached[b])
        root[b] = a
        reached[a] = heights[k]
    return heights


@compiled
def _numbered(
    first: NDArray[np.int32], second: NDArray[np.int32], heights: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    root = np.arange(n).astype(np.int32)
    node, size = np.arange(n).astype(np.int32), np.ones(n, np.int32)
    merges = np.empty((n - 1, 4))
    for k in range(n - 1):
        a, b = _root(root, first[k]), _root(root, second[k])
        merges[k, 0], merges[k, 1] = min(node[a], node[b]), max(node[a], node[b])
        merges[k, 2], merges[k, 3] = heights[k], size[a] + size[b]
        if size[a] < size[b]:
            a, b = b, a
        root[b] = a
        size[a] += size[b]
        node[a] = n + k
    return merges
