"""The merges that lists of nearest neighbours can settle without looking at all distances.

Every cluster has a list and a bound: clusters that have no item in the list are no nearer than the
bound. A merge of two clusters that are in each other's list, nearest to each other and within both
bounds, is a merge of the final tree. Values in a list are lower bounds of distances until their
stamp says that neither side changed since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled
from pipeline.linkage.merges import Merges
from pipeline.linkage.methods import COMPLETE, WARD, pair, weighed
from pipeline.linkage.nearest import Nearest, insert

_MOST_ITEMS = 64
"""A cluster of more items waits for the next level, where it is one item again."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The clusters a level ends with, numbered by their first items.

    Attributes
    ----------
    group : (m,) int32, item -> group
    members : (m,) int32, items sorted by group
    starts : (g + 1,) int32, where each group begins in `members`
    sizes : (g,) float32, masks in each group
    spreads : (g,) float32, mean squared distance of a group's masks to their centroid (Ward)
    """

    group: NDArray[np.int32]
    members: NDArray[np.int32]
    starts: NDArray[np.int32]
    sizes: NDArray[np.float32]
    spreads: NDArray[np.float32]

    @property
    def firsts(self) -> NDArray[np.int32]:
        """(g,) int32, the first item of each group, ascending."""
        return self.members[self.starts[:-1]]


class _Level(NamedTuple):
    """What settling changes. A cluster is known by its first item; the other rows of it are stale."""

    distances: NDArray[np.float32]  # condensed, of the items
    method: int
    item_size: NDArray[np.float32]  # masks in each item
    size: NDArray[np.float32]  # masks in each cluster
    spread: NDArray[np.float32]
    root: NDArray[np.int32]  # towards the first item of the cluster
    following: NDArray[np.int32]  # next item of the cluster, -1 after the last
    last: NDArray[np.int32]
    items_in: NDArray[np.int32]
    version: NDArray[np.int32]  # changes when the cluster grows
    near: NDArray[np.float32]  # (m, k) lower bounds
    item: NDArray[np.int32]  # (m, k) an item of the other cluster
    stamp: NDArray[np.int32]  # (m, k) the other's version when `near` was its distance, -1: only a bound
    held: NDArray[np.int32]  # so many of the k are in use
    bound: NDArray[np.float32]
    waits: NDArray[np.bool_]  # its nearest cannot be told on this level


def settle(
    distances: NDArray[np.float32], sizes: NDArray[np.float32], nearest: Nearest, method: int
) -> tuple[Merges, Groups]:
    """Merge what the lists of m items settle: at least one pair.

    The merges name items by the first of each cluster; `nearest` is used up.
    """
    m = len(sizes)
    each = np.arange(m, dtype=np.int32)
    level = _Level(
        distances=distances,
        method=method,
        item_size=sizes,
        size=sizes.copy(),
        spread=np.zeros(m, np.float32),
        root=each.copy(),
        following=np.full(m, -1, np.int32),
        last=each.copy(),
        items_in=np.ones(m, np.int32),
        version=np.zeros(m, np.int32),
        near=nearest.distance[0],
        item=nearest.item[0],
        stamp=np.zeros(nearest.item[0].shape, np.int32),
        held=np.count_nonzero(nearest.item[0] < m, axis=1).astype(np.int32),
        bound=nearest.bound,
        waits=np.zeros(m, np.bool_),
    )
    merges = _settle(level)
    return merges, _groups(level)


def _groups(level: _Level) -> Groups:
    firsts = np.flatnonzero(level.root == np.arange(len(level.root))).astype(np.int32)
    group, members, starts = _listed(level.following, firsts)
    return Groups(group, members, starts, level.size[firsts], level.spread[firsts])


@compiled
def _listed(
    following: NDArray[np.int32], firsts: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    group, members = np.empty(len(following), np.int32), np.empty(len(following), np.int32)
    starts = np.zeros(len(firsts) + 1, np.int32)
    place = 0
    for g in range(len(firsts)):
        item = firsts[g]
        while item >= 0:
            group[item], members[place] = g, item
            place += 1
            item = following[item]
        starts[g + 1] = place
    return group, members, starts


@compiled
def _settle(level: _Level) -> Merges:
    """Follow chains of nearest neighbours as far as the lists tell them."""
    m = len(level.root)
    first, second = np.empty(m - 1, np.int32), np.empty(m - 1, np.int32)
    merged_at = np.empty(m - 1, np.float32)
    chain, reach = np.empty(m + 1, np.int32), np.empty(m + 1, np.float32)
    done = 0
    for start in range(m):
        length = 0
        if level.root[start] == start and not level.waits[start]:
            chain[0], reach[0], length = start, np.float32(np.inf), 1
        while length > 0:
            top = chain[length - 1]
            nearest, least = _nearest(level, top)
            if length > 1 and reach[length - 1] <= least:
                before = chain[length - 2]
                first[done], second[done], merged_at[done] = (
                    min(top, before),
                    max(top, before),
                    reach[length - 1],
                )
                _merge(level, first[done], second[done], reach[length - 1])
                done += 1
                length -= 2
                if length == 0 and not level.waits[min(top, before)]:
                    chain[0], length = min(top, before), 1
            elif nearest < 0 or level.waits[nearest]:
                for place in range(length):
                    level.waits[chain[place]] = True
                length = 0
            else:
                chain[length], reach[length] = nearest, least
                length += 1
    return first[:done].copy(), second[:done].copy(), merged_at[:done].copy()


@compiled
def _root(root: NDArray[np.int32], item: int) -> int:
    while root[item] != item:
        root[item] = root[root[item]]
        item = root[item]
    return item


@compiled
def _nearest(level: _Level, a: int) -> tuple[int, np.float32]:
    """The nearest cluster and its distance; -1 and the bound when nothing in the list is within it."""
    near, item = level.near[a], level.item[a]
    while True:
        best, least = -1, level.bound[a]
        for s in range(level.held[a]):
            if near[s] < least or (near[s] == least and (best < 0 or item[s] < item[best])):
                best, least = s, near[s]
        if best < 0:
            return -1, least
        other = _root(level.root, item[best])
        if item[best] == other and level.stamp[a, best] == level.version[other]:
            return other, least
        _renew(level, a, other)


@compiled
def _renew(level: _Level, a: int, other: int) -> None:
    """Replace all that list a has on a cluster by its distance of now; drop it where that is no use."""
    near, item, stamp = level.near[a], level.item[a], level.stamp[a]
    kept = 0
    for s in range(level.held[a]):
        if _root(level.root, item[s]) != other:
            near[kept], item[kept], stamp[kept] = near[s], item[s], stamp[s]
            kept += 1
    if other != a:
        value = _between(level, min(a, other), max(a, other), level.bound[a])
        if value <= level.bound[a]:
            near[kept], item[kept], stamp[kept] = value, other, level.version[other]
            kept += 1
    level.held[a] = kept


@compiled
def _between(level: _Level, a: int, b: int, limit: np.float32) -> np.float32:
    """The distance of two clusters; for complete linkage anything above `limit` once it is that far."""
    m = len(level.root)
    if level.method == COMPLETE:
        return _farthest(level, a, b, limit)
    value = level.distances[pair(a, b, m)]
    if level.items_in[a] > 1 or level.items_in[b] > 1:
        value = np.float32(max(_mean(level, a, b) - level.spread[a] - level.spread[b], 0.0))
    return weighed(value, level.size[a], level.size[b]) if level.method == WARD else value


@compiled
def _farthest(level: _Level, a: int, b: int, limit: np.float32) -> np.float32:
    m, farthest, i = len(level.root), np.float32(0), a
    while i >= 0 and farthest <= limit:
        j = b
        while j >= 0:
            farthest = max(farthest, level.distances[pair(i, j, m)])
            j = level.following[j]
        i = level.following[i]
    return farthest


@compiled
def _mean(level: _Level, a: int, b: int) -> float:
    """Mean over pairs of items, each item as often as it stands for masks."""
    m, total, i = len(level.root), 0.0, a
    while i >= 0:
        j = b
        while j >= 0:
            total += level.distances[pair(i, j, m)] * float(level.item_size[i]) * float(level.item_size[j])
            j = level.following[j]
        i = level.following[i]
    return total / (float(level.size[a]) * float(level.size[b]))


@compiled
def _merge(level: _Level, a: int, b: int, value: np.float32) -> None:
    """Let cluster a, which has the smaller first item, hold b as well."""
    _join_lists(level, a, b)
    total = level.size[a] + level.size[b]
    if level.method == WARD:
        share, other = level.size[a] / total, level.size[b] / total
        apart = value / weighed(np.float32(1), level.size[a], level.size[b])
        level.spread[a] = share * level.spread[a] + other * level.spread[b] + share * other * apart
    level.size[a] = total
    level.items_in[a] += level.items_in[b]
    level.waits[a] = level.items_in[a] > _MOST_ITEMS
    level.root[b] = a
    level.following[level.last[a]] = b
    level.last[a] = level.last[b]
    level.version[a] += level.version[b] + 1


@compiled
def _join_lists(level: _Level, a: int, b: int) -> None:
    """Make the list of a that of the union.

    Complete linkage brings the union no nearer to anything than either side was: the list with the
    larger bound serves. The others bring it at most as near as the nearer side: both lists, within
    the smaller bound.
    """
    if level.method == COMPLETE:
        if level.bound[b] > level.bound[a]:
            level.bound[a], level.held[a] = level.bound[b], level.held[b]
            level.near[a], level.item[a] = level.near[b], level.item[b]
    else:
        _unite_lists(level, a, b)
    level.stamp[a] = -1


@compiled
def _unite_lists(level: _Level, a: int, b: int) -> None:
    k = level.near.shape[1]
    near = np.full(k + 1, np.inf, np.float32)
    item = np.full(k + 1, len(level.root), np.int32)
    for s in range(level.held[a]):
        insert(min(level.near[a, s], level.bound[b]), level.item[a, s], near, item)
    for s in range(level.held[b]):
        insert(min(level.near[b, s], level.bound[a]), level.item[b, s], near, item)
    level.bound[a] = min(level.bound[a], level.bound[b], near[k])
    level.held[a] = min(k, level.held[a] + level.held[b])
    level.near[a], level.item[a] = near[:k], item[:k]
