"""The two standard deviations by which the paper's distance weighs features against scores (Sec. 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PAIRS = 1 << 16
"""So many pairs are measured: all of them up to n = 362, a sample beyond (0.3 % standard error)."""

_PIECE = 1 << 12


class Rows(Protocol):
    """Rows that can be taken by slice or by sorted indices: an array, a memory map, a list of shards."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[np.floating]: ...


@dataclass(frozen=True, slots=True)
class Scales:
    """Standard deviations of pairwise feature distances and of pairwise score differences, above 0."""

    features: float
    scores: float


def pair_scales(features: Rows, scores: NDArray[np.floating], *, seed: int) -> Scales:
    """σ_F and σ_S over all pairs of n rows, or over `PAIRS` of them drawn with `seed`.

    A part that is the same for all pairs weighs nothing either way; its σ is given as 1.
    """
    left, right = _pairs(len(scores), seed)
    gaps = np.abs(scores[left].astype(np.float64) - scores[right])
    lengths = np.empty(len(left))
    for start in range(0, len(left), _PIECE):
        piece = slice(start, start + _PIECE)
        apart = _take(features, left[piece]) - _take(features, right[piece])
        lengths[piece] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return Scales(features=_spread(lengths), scores=_spread(gaps))


def _spread(values: NDArray[np.float64]) -> float:
    """Standard deviation, or 1 where it is no more than what rounding makes of equal values."""
    if len(values) == 0:
        return 1.0
    deviation = float(values.std())
    return deviation if deviation > 1e-7 * float(values.max()) else 1.0


def _pairs(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of different rows: every one when they are few, else a uniform sample."""
    if n * (n - 1) // 2 <= PAIRS:
        left, right = np.triu_indices(n, 1)
        return left.astype(np.int64), right.astype(np.int64)
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n, PAIRS)
    return first, (first + rng.integers(1, n, PAIRS)) % n


def _take(features: Rows, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows in any order from a source that wants them sorted and once each."""
    distinct, place = np.unique(rows, return_inverse=True)
    return features[distinct].astype(np.float64)[place]
