"""Feature vectors -> condensed distances and nearest neighbours, by tiles of matrix products.

The condensed form is scipy's: pair (i, j), i < j, at `i m - i (i + 1) / 2 + j - i - 1`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled
from pipeline.linkage.methods import weigh
from pipeline.linkage.nearest import Nearest, offer
from pipeline.linkage.threads import Crew

_ROWS, _COLUMNS = 384, 768
_HUGE = 1 << 20
_CANCELLED = np.float32(2.0**-10)
"""Below this share of |x|² + |y|² too few digits of |x|² + |y|² - 2xy are left; it is summed anew."""


@dataclass(frozen=True, slots=True)
class Points:
    """What distances are made of: d² = |x - y|², or d = |x - y| + |gap_x - gap_y| where `rooted`.

    Attributes
    ----------
    vectors : (m, d) float32, C order, near the origin
    gaps : (m,) float32, scores in the unit of the vectors; not used unless rooted
    sizes : (m,) float32, how many masks each item stands for
    """

    vectors: NDArray[np.float32]
    gaps: NDArray[np.float32]
    sizes: NDArray[np.float32]
    rooted: bool

    def __len__(self) -> int:
        return len(self.vectors)

    def taken(self, rows: NDArray[np.integer]) -> Points:
        """The points of some rows, in that order."""
        return Points(self.vectors[rows], self.gaps[rows], self.sizes[rows], self.rooted)


def condensed_distances(
    points: Points, *, k: int, ward: bool, crew: Crew
) -> tuple[NDArray[np.float32], Nearest]:
    """(m (m - 1) / 2,) float32 distances, and for every item its k nearest.

    Stored are d² or d as `points` says; neighbours are ranked by the same, for Ward weighted by
    2 a b / (a + b) for items of sizes a and b.
    """
    m = len(points)
    distances = _buffer(m * (m - 1) // 2)
    nearest = Nearest.of_none(threads=crew.threads, m=m, k=k)
    squares = np.einsum("ij,ij->i", points.vectors, points.vectors)
    products = [np.empty(_ROWS * _COLUMNS, np.float32) for _ in range(crew.threads)]

    def measure(tile: tuple[int, int, int], thread: int) -> None:
        top, left, right = tile
        rows, columns = points.vectors[top : min(top + _ROWS, right)], points.vectors[left:right]
        product = products[thread][: len(rows) * len(columns)].reshape(len(rows), len(columns))
        np.dot(rows, columns.T, out=product)
        _store_tile(
            product, top, left, points.vectors, squares, points.gaps, points.sizes, points.rooted, ward,
            distances, nearest.distance[thread], nearest.item[thread], nearest.bound,
        )  # fmt: skip

    crew.run(measure, _tiles(m))
    return distances, nearest.joined()


def _buffer(length: int) -> NDArray[np.float32]:
    """Uninitialised float32 memory in ordinary pages of this process alone.

    numpy would ask for huge pages, which take twice as long to be zeroed and bring nothing here,
    as all access is in tiles or along rows. Shared pages, what `mmap` gives by itself, take longer as well.
    """
    if length < _HUGE:
        return np.empty(length, np.float32)
    return np.frombuffer(mmap.mmap(-1, 4 * length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.float32)


def _tiles(m: int) -> Iterator[tuple[int, int, int]]:
    """Tops, lefts and rights of the tiles that hold any pair i < j.

    From the diagonal upwards: near items stand together, so that lists are soon full of near ones and most
    of what passes afterwards is above their bounds.
    """
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for top in reversed(range(0, right, _ROWS)):
            yield top, max(top, left), right


@compiled
def _store_tile(
    product: NDArray[np.float32],
    top: int,
    left: int,
    vectors: NDArray[np.float32],
    squares: NDArray[np.float32],
    gaps: NDArray[np.float32],
    sizes: NDArray[np.float32],
    rooted: bool,
    ward: bool,
    distances: NDArray[np.float32],
    near_distance: NDArray[np.float32],
    near_item: NDArray[np.int32],
    bound: NDArray[np.float32],
) -> None:
    """Turn a tile of products into distances, store its pairs i < j, and offer them as neighbours."""
    m = len(vectors)
    ranked = np.empty(product.shape[1], np.float32)
    for r in range(product.shape[0]):
        i = top + r
        skipped = max(0, i + 1 - left)
        width = product.shape[1] - skipped
        if width <= 0:
            continue
        first = left + skipped
        start = i * m - i * (i + 1) // 2 + first - i - 1
        values = distances[start : start + width]
        _squared_distances(product[r, skipped:], i, first, vectors, squares, values)
        if rooted:
            theirs, ours = gaps[first : first + width], gaps[i]
            for j in range(width):
                values[j] = np.sqrt(values[j]) + abs(theirs[j] - ours)
        if ward:
            weigh(values, sizes[i], sizes[first : first + width], ranked)
            offer(ranked[:width], i, first, near_distance, near_item, bound)
        else:
            offer(values, i, first, near_distance, near_item, bound)


@compiled
def _squared_distances(
    products: NDArray[np.float32],
    i: int,
    first: int,
    vectors: NDArray[np.float32],
    squares: NDArray[np.float32],
    values: NDArray[np.float32],
) -> None:
    """|x_i - x_j|² for the j from `first` on; summed anew where the difference cancels its digits."""
    ours, theirs = squares[i], squares[first : first + len(values)]
    cancelled = 0
    for j in range(len(values)):
        both = ours + theirs[j]
        values[j] = max(both - np.float32(2) * products[j], np.float32(0))
        cancelled |= int(values[j] < _CANCELLED * both)
    if cancelled == 0:
        return
    for j in range(len(values)):
        if values[j] < _CANCELLED * (ours + theirs[j]):
            values[j] = _squared_distance(vectors[i], vectors[first + j])


@compiled
def _squared_distance(x: NDArray[np.float32], y: NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for k in range(len(x)):
        total += (x[k] - y[k]) * (x[k] - y[k])
    return total
