"""The exact tree: distances, levels, and the merges numbered as scipy numbers them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.chain import chain_merges
from pipeline.linkage.distances import Points, condensed_distances
from pipeline.linkage.kmeans import nearest_centre
from pipeline.linkage.levels import SMALL, level_merges
from pipeline.linkage.merges import Merges, numbered
from pipeline.linkage.methods import METHODS, WARD
from pipeline.linkage.points import Frame, coordinates, distinct
from pipeline.linkage.threads import Crew

NEIGHBOURS = 16
"""Length of the lists. More settles more merges a level and costs more to gather: 8 to 32 differ little."""

_PIVOTS = 64


def exact_linkage(
    frame: Frame,
    features: NDArray[np.floating],
    scores: NDArray[np.floating] | None,
    *,
    method: str,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """`pipeline.linkage.linkage` for checked input, with all distances in memory: some 2 n² bytes."""
    n = len(features)
    found = distinct(frame.points(features, scores))
    with Crew(threads if len(found.rows) > SMALL else 1) as crew:
        first, second, distances = point_merges(found.points, method=METHODS[method], crew=crew)
    copies = found.copies
    return numbered(
        np.concatenate([copies[:, 0], found.rows[first]]),
        np.concatenate([copies[:, 1], found.rows[second]]),
        np.concatenate([np.zeros(len(copies)), frame.heights(distances)]),
        n,
    )


def point_merges(points: Points, *, method: int, crew: Crew) -> Merges:
    """Merge m points, no two equal, to one cluster."""
    m, ward = len(points), method == WARD
    if m <= SMALL:
        distances, _ = condensed_distances(points, k=0, ward=ward, crew=crew)
        return chain_merges(distances, points.sizes.copy(), m, method)
    order = _neighbours_together(points)
    points = points.taken(order)
    distances, nearest = condensed_distances(points, k=NEIGHBOURS, ward=ward, crew=crew)
    first, second, merged_at = level_merges(distances, points.sizes, nearest, method=method, crew=crew)
    return order[first], order[second], merged_at


def _neighbours_together(points: Points) -> NDArray[np.int32]:
    """An order in which items that will merge are often close, so that levels find them in the cache.

    Nothing but speed depends on it, so that evenly spaced rows will do as centres.
    """
    seen = coordinates(points)
    pivots = seen[np.linspace(0, len(points) - 1, _PIVOTS).astype(np.int64)]
    return np.argsort(nearest_centre(seen, pivots), kind="stable").astype(np.int32)
