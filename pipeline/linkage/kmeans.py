"""A coarse partition of points into parts of limited size, by k-means on samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

_ROWS_A_CENTRE = 256
_LEAST_SAMPLE = 2048
_ITERATIONS = 8
_MOST_PARTS = 256
_PIECE = 8192


def sample_size(k: int) -> int:
    """So many points are enough to find k centres."""
    return max(_LEAST_SAMPLE, _ROWS_A_CENTRE * k)


def centres(sample: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """k centres of a sample by Lloyd's iterations; a centre that loses all its points is drawn anew."""
    found = sample[rng.choice(len(sample), k, replace=False)]
    for _ in range(_ITERATIONS):
        part = nearest_centre(sample, found)
        counts = np.bincount(part, minlength=k)
        held = counts > 0
        found[held] = _sums(sample, part, k)[held] / counts[held, None]
        found[~held] = sample[rng.choice(len(sample), int(np.count_nonzero(~held)))]
    return found


@compiled
def _sums(points: NDArray[np.float32], part: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    """(k, d) float64, the points of each part added up."""
    sums = np.zeros((k, points.shape[1]))
    for row in range(len(points)):
        total, point = sums[part[row]], points[row]
        for j in range(len(point)):
            total[j] += point[j]
    return sums


def nearest_centre(points: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.int32]:
    """(m,) int32, the nearest of k centres to each of m points; the first of equals."""
    half_squares = np.einsum("ij,ij->i", found, found) / 2
    nearest = np.empty(len(points), np.int32)
    for start in range(0, len(points), _PIECE):
        piece = slice(start, start + _PIECE)
        nearest[piece] = (points[piece] @ found.T - half_squares).argmax(axis=1)
    return nearest


def blocks(points: NDArray[np.float32], most: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of points in blocks of at most `most`, near ones together."""
    pending, done = [np.arange(len(points))], []
    while pending:
        rows = pending.pop()
        if len(rows) <= most:
            done.append(rows)
        else:
            pending += _split(points, rows, most, rng)
    return done


def _split(
    points: NDArray[np.float32], rows: NDArray[np.int64], most: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    k = min(_MOST_PARTS, max(2, math.ceil(1.6 * len(rows) / most)))
    sample = rng.choice(rows, min(len(rows), sample_size(k)), replace=False)
    held = points if len(rows) == len(points) else points[rows]
    parts = grouped(nearest_centre(held, centres(points[sample], k, rng)), k)
    if max(map(len, parts)) == len(rows):  # nothing to tell them apart by
        parts = [np.arange(len(rows) // 2), np.arange(len(rows) // 2, len(rows))]
    return [rows[part] for part in parts if len(part)]


def grouped(part: NDArray[np.integer], k: int) -> list[NDArray[np.int64]]:
    """For each of k parts its rows, ascending."""
    order = np.argsort(part, kind="stable")
    return np.split(order, np.cumsum(np.bincount(part, minlength=k))[:-1])
