"""The nearest-neighbour chain: any reducible linkage in O(m²) time, whatever the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled
from pipeline.linkage.merges import Merges
from pipeline.linkage.methods import WARD, pair, updated, weighed


@compiled
def chain_merges(distances: NDArray[np.float32], sizes: NDArray[np.float32], m: int, method: int) -> Merges:
    """Merge m items to one cluster.

    Parameters
    ----------
    distances : (m (m - 1) / 2,) float32, condensed; used up
    sizes : (m,) float32, how many masks each item stands for; used up

    Returns
    -------
    m - 1 merges, each after those that made its sides. Distances are Ward's squares for Ward.
    """
    first, second = np.empty(m - 1, np.int32), np.empty(m - 1, np.int32)
    merged_at = np.empty(m - 1, np.float32)
    open_items = np.arange(m)
    chain = np.empty(m, np.int64)
    length = 0
    for done in range(m - 1):
        if length == 0:
            chain[0], length = open_items[0], 1
        while True:
            top = chain[length - 1]
            before = chain[length - 2] if length > 1 else -1
            nearest, least = _nearest(distances, sizes, m, method, open_items[: m - done], top, before)
            if nearest == before:
                break
            chain[length] = nearest
            length += 1
        length -= 2
        a, b = min(top, before), max(top, before)
        first[done], second[done], merged_at[done] = a, b, least
        _merge(distances, sizes, m, method, open_items[: m - done], a, b)
        _close(open_items[: m - done], b)
    return first, second, merged_at


@compiled
def _nearest(
    distances: NDArray[np.float32],
    sizes: NDArray[np.float32],
    m: int,
    method: int,
    open_items: NDArray[np.int64],
    item: int,
    before: int,
) -> tuple[int, np.float32]:
    """The nearest open item and its distance; the one before in the chain wins a tie, then the first."""
    nearest, least = -1, np.float32(np.inf)
    if before >= 0:
        nearest, least = before, distances[pair(item, before, m)]
        if method == WARD:
            least = weighed(least, sizes[item], sizes[before])
    for other in open_items:
        if other == item:
            continue
        value = distances[pair(item, other, m)]
        if method == WARD:
            value = weighed(value, sizes[item], sizes[other])
        if value < least or nearest < 0:
            nearest, least = other, value
    return nearest, least


@compiled
def _merge(
    distances: NDArray[np.float32],
    sizes: NDArray[np.float32],
    m: int,
    method: int,
    open_items: NDArray[np.int64],
    a: int,
    b: int,
) -> None:
    """Let item a stand for a and b."""
    between = distances[pair(a, b, m)]
    for other in open_items:
        if other != a and other != b:
            to_a = pair(a, other, m)
            distances[to_a] = updated(
                method, distances[to_a], distances[pair(b, other, m)], between, sizes[a], sizes[b]
            )
    sizes[a] += sizes[b]


@compiled
def _close(open_items: NDArray[np.int64], item: int) -> None:
    """Take an item out, keeping the order of the others."""
    place = np.searchsorted(open_items, item)
    open_items[place:-1] = open_items[place + 1 :]
