"""The k nearest neighbours of every item, gathered while distances pass by in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Nearest:
    """Per thread and item, the k smallest (distance, item) seen so far, in that order.

    Attributes
    ----------
    distance : (threads, m, k) float32, inf where fewer were seen
    item : (threads, m, k) int32, m where fewer were seen
    bound : (m,) float32, no less than the k-th smallest distance any thread has seen: what is above it need
        not be offered. It is shared, so that what one thread has found spares the others their search; an
        update that two threads lose to each other leaves it larger than need be, never wrong
    """

    distance: NDArray[np.float32]
    item: NDArray[np.int32]
    bound: NDArray[np.float32]

    @classmethod
    def of_none(cls, *, threads: int, m: int, k: int) -> Nearest:
        """Lists of nothing; lists of length 0 are offered nothing."""
        return cls(
            np.full((threads, m, k), np.inf, np.float32),
            np.full((threads, m, k), m, np.int32),
            np.full(m, np.inf if k else -np.inf, np.float32),
        )

    def joined(self) -> Nearest:
        """The lists of all threads as one; equal whoever saw what."""
        for thread in range(1, len(self.distance)):
            _join(self.distance[0], self.item[0], self.distance[thread], self.item[thread])
        bound = self.distance[0, :, -1].copy() if self.distance.shape[2] else self.bound
        return Nearest(self.distance[:1], self.item[:1], bound)


@compiled
def offer(
    values: NDArray[np.float32],
    row: int,
    first: int,
    distance: NDArray[np.float32],
    item: NDArray[np.int32],
    bound: NDArray[np.float32],
) -> None:
    """Offer item `row` the items from `first` on at the distances `values`, and each of them `row`.

    `distance` and `item` are those of one thread, `bound` that of all.
    """
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        theirs = bound[first + start : first + start + len(chunk)]
        ours = bound[row]
        near = np.int32(0)
        for j in range(len(chunk)):
            near |= np.int32(chunk[j] <= ours) | np.int32(chunk[j] <= theirs[j])
        if near == 0:
            continue
        for j in range(len(chunk)):
            other = first + start + j
            if chunk[j] <= bound[row]:
                insert(chunk[j], other, distance[row], item[row])
                bound[row] = min(bound[row], distance[row, -1])
            if chunk[j] <= theirs[j]:
                insert(chunk[j], row, distance[other], item[other])
                bound[other] = min(bound[other], distance[other, -1])


@compiled
def insert(value: np.float32, other: int, distance: NDArray[np.float32], item: NDArray[np.int32]) -> None:
    """Put (value, other) in its place among the k of one item; the last falls out."""
    k = len(distance) - 1
    if value > distance[k] or (value == distance[k] and other >= item[k]):
        return
    while k > 0 and (value < distance[k - 1] or (value == distance[k - 1] and other < item[k - 1])):
        distance[k], item[k] = distance[k - 1], item[k - 1]
        k -= 1
    distance[k], item[k] = value, other


@compiled
def _join(
    distance: NDArray[np.float32],
    item: NDArray[np.int32],
    more_distance: NDArray[np.float32],
    more_item: NDArray[np.int32],
) -> None:
    m, k = distance.shape
    for row in range(m):
        for j in range(k):
            insert(more_distance[row, j], more_item[row, j], distance[row], item[row])
