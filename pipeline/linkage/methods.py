"""What tells the linkages apart: how a distance between two clusters follows from those of their items.

Complete keeps the largest distance of any two items, average their mean, and Ward works on squared
distances of centroids: the mean over pairs of items less the spreads inside both clusters. All
three are reducible: merging two mutual nearest neighbours brings nobody closer. That is why every
pair of mutual nearest neighbours may be merged at once, in any order, and the tree is the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

COMPLETE: Final = 0
AVERAGE: Final = 1
WARD: Final = 2

METHODS: Final = {"complete": COMPLETE, "average": AVERAGE, "ward": WARD}
"""The linkages by name; `complete` is the paper's."""


@compiled
def weigh(
    values: NDArray[np.float32], size: np.float32, sizes: NDArray[np.float32], weighted: NDArray[np.float32]
) -> None:
    """Ward's distance, squared, from squared distances of centroids: times 2 a b / (a + b)."""
    twice = np.float32(2) * size
    for j in range(len(values)):
        weighted[j] = values[j] * (twice * sizes[j] / (size + sizes[j]))


@compiled
def weighed(value: np.float32, a: np.float32, b: np.float32) -> np.float32:
    """`weigh` for one pair."""
    return value * (np.float32(2) * a * b / (a + b))


@compiled
def pair(i: int, j: int, m: int) -> int:
    """Where the condensed form of m items keeps the distance of i and j."""
    if i > j:
        i, j = j, i
    return i * m - i * (i + 1) // 2 + j - i - 1


@compiled
def updated(
    method: int, to_a: np.float32, to_b: np.float32, between: np.float32, a: np.float32, b: np.float32
) -> np.float32:
    """The distance of a third cluster to the union of clusters of sizes a and b (Lance and Williams)."""
    if method == COMPLETE:
        return max(to_a, to_b)
    share = a / (a + b)
    mean = share * to_a + (np.float32(1) - share) * to_b
    if method == AVERAGE:
        return mean
    return max(mean - share * (np.float32(1) - share) * between, np.float32(0))
