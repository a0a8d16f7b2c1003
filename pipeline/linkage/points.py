"""Features and scores -> the points that are clustered: centred, scaled, duplicates found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled
from pipeline.linkage.distances import Points
from pipeline.linkage.scales import pair_scales
from pipeline.linkage.threads import single_threaded_blas
from pipeline.rows import Rows

_PIECE = 4096
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class InvalidFeatures(ValueError):
    """The feature vectors or scores cannot be clustered as they are."""


def refuse_unfit(
    fit: NDArray[np.bool_], rows: NDArray[np.int64] | None = None, *, what: str = "features"
) -> None:
    """Raise InvalidFeatures for rows that are not `fit`, by their numbers."""
    if fit.all():
        return
    unfit = np.flatnonzero(~fit) if rows is None else rows[~fit]
    shown = ", ".join(map(str, unfit[:10])) + (", ..." if len(unfit) > 10 else "")
    raise InvalidFeatures(f"{len(unfit)} rows of the {what} hold NaN or infinity: {shown}. Leave them out.")


@dataclass(frozen=True, slots=True)
class Frame:
    """Where points lie and in which units, so that parts of one data set are measured alike.

    Attributes
    ----------
    centre : (d,) float64, subtracted from features
    unit : above 0; features are divided by it
    score_centre, score_unit : the same for scores; unit is inf where there are no scores
    height_unit : what a distance of 1 between points is in the caller's terms
    rooted : distances are taken as such, not squared
    joined : the score is one more dimension of the vectors (Ward)
    """

    centre: NDArray[np.float64]
    unit: float
    score_centre: float
    score_unit: float
    height_unit: float
    rooted: bool
    joined: bool

    def points(self, features: NDArray[np.floating], scores: NDArray[np.floating] | None) -> Points:
        """Rows of the data set as points, each standing for one mask."""
        n, d = features.shape
        vectors = np.empty((n, d + self.joined), np.float32)
        for start in range(0, n, _PIECE):
            rows = slice(start, start + _PIECE)
            vectors[rows, :d] = (features[rows] - self.centre) / self.unit
        gaps = np.zeros(n, np.float32)
        if scores is not None:
            gaps[:] = (np.asarray(scores, np.float64) - self.score_centre) / self.score_unit
        if self.joined:
            vectors[:, d] = gaps
        return Points(vectors, gaps, np.ones(n, np.float32), self.rooted)

    def heights(self, distances: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distances between points -> heights in the caller's terms."""
        plain = distances.astype(np.float64) if self.rooted else np.sqrt(distances, dtype=np.float64)
        return plain * self.height_unit


def coordinates(points: Points) -> NDArray[np.float32]:
    """(m, d or d + 1) float32, the points with their scores as one more dimension: what k-means sees."""
    return np.column_stack([points.vectors, points.gaps]) if points.rooted else points.vectors


def frame_of(features: Rows, scores: NDArray[np.floating] | None, *, method: str, seed: int) -> Frame:
    """The frame of a whole data set; reads features twice, in pieces."""
    centre, unit = _extent(features)
    if scores is None:
        return Frame(centre, unit, 0.0, np.inf, unit, rooted=method == "average", joined=False)
    with single_threaded_blas():
        scale = pair_scales(features, scores, seed=seed)
    return Frame(
        centre=centre,
        unit=unit,
        score_centre=float(np.mean(scores, dtype=np.float64)),
        score_unit=scale.scores * unit / scale.features,
        height_unit=unit / scale.features,
        rooted=method != "ward",
        joined=method == "ward",
    )


def _extent(features: Rows) -> tuple[NDArray[np.float64], float]:
    """Centre of the rows, and the largest absolute coordinate from there (1 where all are equal)."""
    n, d = features.shape
    total, low, high = np.zeros(d), np.full(d, np.inf), np.full(d, -np.inf)
    for start in range(0, n, _PIECE):
        piece = np.asarray(features[start : start + _PIECE])
        total += piece.sum(axis=0, dtype=np.float64)
        low, high = np.minimum(low, piece.min(axis=0)), np.maximum(high, piece.max(axis=0))
    centre = total / n
    reach = float(max((high - centre).max(), (centre - low).max()))
    return centre, reach if reach > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Distinct:
    """Points of which no two are equal.

    Attributes
    ----------
    points : m of them, `sizes` says how many rows are equal to each
    rows : (m,) int32, the first row of each
    copies : (n - m, 2) int32, the other rows, each with the first row it equals
    """

    points: Points
    rows: NDArray[np.int32]
    copies: NDArray[np.int32]


def distinct(points: Points) -> Distinct:
    """Take equal points together: they merge at height 0 whatever the linkage."""
    n = len(points)
    prints = _fingerprints(points.vectors.view(np.uint32), points.gaps.view(np.uint32))
    _, first, which = np.unique(prints, return_index=True, return_inverse=True)
    if len(first) == n:
        return Distinct(points, np.arange(n, dtype=np.int32), np.empty((0, 2), np.int32))
    same = first[which]
    later = np.flatnonzero(same != np.arange(n))
    later = later[(points.gaps[later] == points.gaps[same[later]])]
    later = later[[np.array_equal(points.vectors[row], points.vectors[same[row]]) for row in later]]
    kept = np.ones(n, np.bool_)
    kept[later] = False
    rows = np.flatnonzero(kept)
    sizes = points.sizes + np.bincount(same[later], minlength=n).astype(np.float32)
    merged = replace(points.taken(rows), sizes=sizes[rows])
    return Distinct(merged, rows.astype(np.int32), np.column_stack([same[later], later]).astype(np.int32))


@compiled
def _fingerprints(vectors: NDArray[np.uint32], gaps: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """64-bit FNV-1a hashes of the rows."""
    prints = np.empty(len(gaps), np.uint64)
    for row in range(len(gaps)):
        value = (_FNV_OFFSET ^ np.uint64(gaps[row])) * _FNV_PRIME
        for k in range(vectors.shape[1]):
            value = (value ^ np.uint64(vectors[row, k])) * _FNV_PRIME
        prints[row] = value
    return prints
