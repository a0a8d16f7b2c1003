"""Exact merges of many items: let nearest-neighbour lists settle what they can, squeeze, repeat.

A level starts with the distances of m items and the k nearest neighbours of each. From these lists
alone most merges can be settled: everything that is not in an item's list is at least as far as
the list's bound, and by reducibility stays so whatever is merged meanwhile. When no more can be
settled, the distances are squeezed to those between the clusters made, in the same memory, which
makes new lists on the way. A level costs one pass over the distances and removes half of the items
or more on most data, so that all levels together read the distances less than twice.

Where a level settles little (the data is adversarial, or nearly all ties), the nearest-neighbour
chain finishes the work within its O(m²).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.chain import chain_merges
from pipeline.linkage.merges import Merges
from pipeline.linkage.nearest import Nearest
from pipeline.linkage.settle import settle
from pipeline.linkage.squeeze import squeeze
from pipeline.linkage.threads import Crew

SMALL = 512
"""So few items are left to the chain, whose distances then fit the cache."""

_PASSES = 24
"""So many times the first level's distances may be read before the chain takes over."""


def level_merges(
    distances: NDArray[np.float32],
    sizes: NDArray[np.float32],
    nearest: Nearest,
    *,
    method: int,
    crew: Crew,
    small: int = SMALL,
) -> Merges:
    """Merge m items to one cluster.

    Parameters
    ----------
    distances : (m (m - 1) / 2,) float32, condensed; used up
    sizes : (m,) float32, how many masks each item stands for
    nearest : the lists of the items, one thread's

    Returns
    -------
    m - 1 merges of the items, each after those that made its sides.
    """
    m = len(sizes)
    items = np.arange(m, dtype=np.int32)  # the first of the original items in each item of this level
    k = nearest.item.shape[2]
    found: list[Merges] = []
    reads, most_reads = 0, _PASSES * len(distances)
    while m > small and reads < most_reads:
        (first, second, merged_at), groups = settle(distances, sizes, nearest, method)
        found.append((items[first], items[second], merged_at))
        reads += len(distances)
        distances, sizes, nearest = squeeze(distances, sizes, groups, method=method, k=k, crew=crew)
        items = items[groups.firsts]
        m = len(items)
    if m > 1:
        first, second, merged_at = chain_merges(distances, sizes, m, method)
        found.append((items[first], items[second], merged_at))
    parts = list(zip(*found, strict=True))
    return tuple(np.concatenate(part) for part in parts)  # type: ignore[return-value]
