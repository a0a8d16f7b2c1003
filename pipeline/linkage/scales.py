"""The two standard deviations by which the paper's distance weighs features against scores (Sec. 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.rows import Rows

ALL_PAIRS_UP_TO = 1024
"""Up to so many rows every pair is measured, by one matrix product."""

SAMPLED_PAIRS = 1 << 14
"""Beyond, so many pairs drawn at random: a standard error of about 0.6 % of σ."""

_PIECE = 1 << 12


@dataclass(frozen=True, slots=True)
class Scales:
    """Standard deviations of pairwise feature distances and of pairwise score differences, above 0."""

    features: float
    scores: float


def pair_scales(features: Rows, scores: NDArray[np.floating], *, seed: int) -> Scales:
    """σ_F and σ_S over all pairs of n rows, or over a sample of them drawn with `seed`.

    A part that is the same for all pairs weighs nothing either way; its σ is given as 1.
    """
    n = len(scores)
    exact = scores.astype(np.float64)
    if n <= ALL_PAIRS_UP_TO:
        lengths, gaps = (
            _all_lengths(np.asarray(features[0:n], np.float64)),
            np.abs(np.subtract.outer(exact, exact)),
        )
        pairs = n * (n - 1)
    else:
        rng = np.random.default_rng(seed)
        left = rng.integers(0, n, SAMPLED_PAIRS)
        right = (left + rng.integers(1, n, SAMPLED_PAIRS)) % n
        lengths, gaps = _lengths(features, left, right), np.abs(exact[left] - exact[right])
        pairs = SAMPLED_PAIRS
    return Scales(features=_spread(lengths, pairs), scores=_spread(gaps, pairs))


def _spread(values: NDArray[np.float64], pairs: int) -> float:
    """Standard deviation of so many pairs; the other values are 0.

    It is 1 where it is no more than what rounding makes of equal values.
    """
    if pairs == 0:
        return 1.0
    mean = float(values.sum()) / pairs
    deviation = math.sqrt(max(0.0, float(np.vdot(values, values)) / pairs - mean * mean))
    return deviation if deviation > 1e-7 * float(values.max()) else 1.0


def _all_lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n) Euclidean distances."""
    centred = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    lengths: NDArray[np.float64] = squares[:, None] + squares - 2 * (centred @ centred.T)
    np.fill_diagonal(lengths, 0)
    np.sqrt(np.maximum(lengths, 0), out=lengths)
    return lengths


def _lengths(features: Rows, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Euclidean distances of pairs of rows."""
    lengths = np.empty(len(left))
    for start in range(0, len(left), _PIECE):
        piece = slice(start, start + _PIECE)
        apart = _take(features, left[piece]) - _take(features, right[piece])
        lengths[piece] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return lengths


def _take(features: Rows, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows in any order, more than once, from a source that wants them sorted and once each."""
    distinct, place = np.unique(rows, return_inverse=True)
    return features[distinct].astype(np.float64)[place]
