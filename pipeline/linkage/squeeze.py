"""Condensed distances of items -> condensed distances of their groups, in the same memory.

The condensed form keeps pair (i, j), i < j, in row i. A group is written as the row of its first
item, so what its other items have in rows before their own must come over first. That is done in
tiles (`_mirror`), and all else reads and writes along rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled
from pipeline.linkage.methods import COMPLETE, WARD, weigh
from pipeline.linkage.nearest import Nearest, offer
from pipeline.linkage.settle import Groups
from pipeline.linkage.threads import Crew

_ROWS, _COLUMNS = 256, 64
_BLOCK = 512
_PANEL, _PIECE = 128, 8
"""Groups whose rows are made before they are written over what nobody needs any more; and for one task."""


class _Squeeze(NamedTuple):
    distances: NDArray[np.float32]
    method: int
    group: NDArray[np.int32]  # of each item
    first: NDArray[np.int32]  # item of each item's group
    share: NDArray[np.float32]  # of each item in the masks of its group
    members: NDArray[np.int32]  # items by group
    starts: NDArray[np.int32]
    size: NDArray[np.float32]  # of each group
    spread: NDArray[np.float32]
    firsts: NDArray[np.uint32]  # item of each group; unsigned, so that no index is looked at for its sign
    others: NDArray[np.uint32]  # items that are not the first of their group, ascending
    others_group: NDArray[np.uint32]


def squeeze(
    distances: NDArray[np.float32],
    sizes: NDArray[np.float32],
    groups: Groups,
    *,
    method: int,
    k: int,
    crew: Crew,
) -> tuple[NDArray[np.float32], NDArray[np.float32], Nearest]:
    """Distances and sizes of the groups, and the k nearest of each; `distances` is used up.

    The result is the front of `distances`. Groups are numbered by their first items, so whatever is
    still to be read lies behind all that is written.
    """
    squeezing = _plan(distances, sizes, groups, method)
    m, count = len(sizes), len(groups.sizes)
    crew.run(lambda top, _: _mirror(squeezing, top, min(m, top + _ROWS)), range(0, m, _ROWS))
    nearest = Nearest.of_none(threads=crew.threads, m=count, k=min(k, max(1, count - 1)))
    panel = np.empty((min(_PANEL, count), count), np.float32)
    squeezed = distances[: count * (count - 1) // 2]
    for top in range(0, count, _PANEL):
        bottom = min(count, top + _PANEL)

        def make(g: int, thread: int, top: int = top, bottom: int = bottom) -> None:
            near = nearest.distance[thread], nearest.item[thread], nearest.bound
            _make_rows(squeezing, g, min(g + _PIECE, bottom), panel[g - top :], *near)

        crew.run(make, range(top, bottom, _PIECE))
        _write_rows(squeezed, panel, top, bottom)
    return squeezed, groups.sizes, nearest.joined()


def _plan(
    distances: NDArray[np.float32], sizes: NDArray[np.float32], groups: Groups, method: int
) -> _Squeeze:
    first = groups.firsts[groups.group]
    others = np.flatnonzero(first != np.arange(len(first)))
    return _Squeeze(
        distances=distances,
        method=method,
        group=groups.group,
        first=first,
        share=sizes / groups.sizes[groups.group],
        members=groups.members,
        starts=groups.starts,
        size=groups.sizes,
        spread=groups.spreads,
        firsts=groups.firsts.astype(np.uint32),
        others=others.astype(np.uint32),
        others_group=groups.group[others].astype(np.uint32),
    )


@compiled
def _mirror(squeezing: _Squeeze, top: int, bottom: int) -> None:
    """Bring the pairs (y, x), `top` <= y < `bottom`, to (first of x, y) where that is the earlier group.

    Rows y differ between calls, and no call reads what another changes. Columns are read some at a
    time, row by row: their places in a row share cache lines, those in a column do not.
    """
    wanted = np.empty(len(squeezing.others), np.uint32)
    count = 0
    for x in squeezing.others:
        if x > top and squeezing.first[x] < bottom - 1:
            wanted[count] = x
            count += 1
    columns = np.empty((_COLUMNS, bottom - top), np.float32)
    for begin in range(0, count, _COLUMNS):
        taken = wanted[begin : min(count, begin + _COLUMNS)]
        _read_columns(squeezing.distances, len(squeezing.group), taken, top, bottom, columns)
        for place in range(len(taken)):
            _mirror_column(squeezing, int(taken[place]), top, bottom, columns[place])


@compiled
def _read_columns(
    distances: NDArray[np.float32],
    m: int,
    taken: NDArray[np.uint32],
    top: int,
    bottom: int,
    columns: NDArray[np.float32],
) -> None:
    """Distances (y, x) of rows y and the columns x taken; those of x <= y are left as they are."""
    for y in range(top, bottom):
        start = y * m - y * (y + 1) // 2 - y - 1
        for place in range(np.searchsorted(taken, y + 1), len(taken)):
            columns[place, y - top] = distances[start + taken[place]]


@compiled
def _mirror_column(squeezing: _Squeeze, x: int, top: int, bottom: int, column: NDArray[np.float32]) -> None:
    m, f = len(squeezing.group), int(squeezing.first[x])
    begin, end = max(top, f + 1), min(bottom, x)
    to = f * m - f * (f + 1) // 2 - f - 1
    kept = squeezing.distances[to + begin : to + max(begin, end)]
    group, values = squeezing.group[begin:end], column[begin - top : end - top]
    ours, ratio = squeezing.group[x], squeezing.share[x] / squeezing.share[f]
    for j in range(len(kept)):
        value = values[j] if group[j] > ours else np.float32(0)
        kept[j] = max(kept[j], value) if squeezing.method == COMPLETE else kept[j] + ratio * value


@compiled
def _make_rows(
    squeezing: _Squeeze,
    top: int,
    bottom: int,
    rows: NDArray[np.float32],
    near_distance: NDArray[np.float32],
    near_item: NDArray[np.int32],
    bound: NDArray[np.float32],
) -> None:
    """Distances from groups `top` to `bottom` to all later ones, into `rows`; offered as neighbours."""
    wide = np.empty(len(squeezing.group), np.float32)
    ranked, block = np.empty(len(squeezing.size), np.float32), np.empty(_BLOCK, np.float32)
    for g in range(top, bottom):
        row = rows[g - top]
        later = row[g + 1 :]
        if squeezing.method == COMPLETE:
            _farthest(squeezing, g, wide, block, row)
        else:
            _mean(squeezing, g, wide, row)
        if squeezing.method == WARD:
            _take_spreads(squeezing.spread[g], squeezing.spread[g + 1 :], later)
            weigh(later, squeezing.size[g], squeezing.size[g + 1 :], ranked)
            offer(ranked[: len(later)], g, g + 1, near_distance, near_item, bound)
        else:
            offer(later, g, g + 1, near_distance, near_item, bound)


@compiled
def _farthest(
    squeezing: _Squeeze,
    g: int,
    wide: NDArray[np.float32],
    block: NDArray[np.float32],
    row: NDArray[np.float32],
) -> None:
    """Largest distances of the items of g to those of every later group."""
    m = len(squeezing.group)
    for place in range(squeezing.starts[g], squeezing.starts[g + 1]):
        item = squeezing.members[place]
        start = item * m - item * (item + 1) // 2
        values, kept = squeezing.distances[start : start + m - item - 1], wide[item + 1 :]
        if place == squeezing.starts[g]:
            kept[:] = values
        else:
            _raise(kept, values, block)
    later, columns = row[g + 1 :], squeezing.firsts[g + 1 :]
    for h in range(len(later)):
        later[h] = wide[columns[h]]
    for place in range(np.searchsorted(squeezing.others, squeezing.firsts[g]), len(squeezing.others)):
        h = squeezing.others_group[place]
        row[h] = max(row[h], wide[squeezing.others[place]])


@compiled
def _raise(kept: NDArray[np.float32], values: NDArray[np.float32], block: NDArray[np.float32]) -> None:
    """kept = max(kept, values), by way of a block: in place it would become a conditional store."""
    for start in range(0, len(kept), len(block)):
        ours, theirs = kept[start : start + len(block)], values[start : start + len(block)]
        for j in range(len(ours)):
            block[j] = max(ours[j], theirs[j])
        for j in range(len(ours)):
            ours[j] = block[j]


@compiled
def _mean(squeezing: _Squeeze, g: int, wide: NDArray[np.float32], row: NDArray[np.float32]) -> None:
    """Mean distances of the items of g to those of every later group, by masks."""
    m = len(squeezing.group)
    for place in range(squeezing.starts[g], squeezing.starts[g + 1]):
        item = squeezing.members[place]
        start = item * m - item * (item + 1) // 2
        values, kept = squeezing.distances[start : start + m - item - 1], wide[item + 1 :]
        share = squeezing.share[item]
        if place == squeezing.starts[g]:
            kept[:] = 0
        for j in range(len(values)):
            kept[j] += share * values[j]
    later, columns = row[g + 1 :], squeezing.firsts[g + 1 :]
    for h in range(len(later)):
        later[h] = squeezing.share[columns[h]] * wide[columns[h]]
    for place in range(np.searchsorted(squeezing.others, squeezing.firsts[g]), len(squeezing.others)):
        other = squeezing.others[place]
        row[squeezing.others_group[place]] += squeezing.share[other] * wide[other]


@compiled
def _take_spreads(ours: np.float32, theirs: NDArray[np.float32], row: NDArray[np.float32]) -> None:
    """Mean squared distances of masks -> squared distances of centroids."""
    for h in range(len(row)):
        row[h] = max(row[h] - ours - theirs[h], np.float32(0))


@compiled
def _write_rows(squeezed: NDArray[np.float32], panel: NDArray[np.float32], top: int, bottom: int) -> None:
    count = panel.shape[1]
    for g in range(top, bottom):
        start = g * count - g * (g + 1) // 2
        squeezed[start : start + count - g - 1] = panel[g - top, g + 1 :]
