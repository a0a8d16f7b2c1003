"""One random key per leaf: a cluster's sample is the leaves with the smallest keys.

A bottom-k sample is uniform without replacement, reproducible from the seed, and nested: the leaves of a
parent's sample that fall in a child are a prefix, in key order, of that child's own sample. So answers given
for a cluster serve its parts without any bookkeeping.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_AT_ONCE = 1 << 14
"""Keys that stay in the processor's cache while they are made."""


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output passes for random."""
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def leaf_keys(n: int, *, seed: int, first: int = 0) -> NDArray[np.uint64]:
    """(n,) uint64 keys of the leaves first, first + 1, ..., distinct, the same for a seed on every machine.

    The key of a leaf depends on the seed and its position alone, not on `n`.

    Raises
    ------
    ValueError
        When `n` is negative, or `seed` lies outside [0, 2**64).
    """
    if n < 0:
        raise ValueError(f"A tree cannot have {n} leaves.")
    if not 0 <= seed < 2**64:
        raise ValueError(f"The seed {seed} is not a 64-bit number: choose one from 0 to 2**64 - 1.")
    start = _mixed(np.array([seed], dtype=np.uint64))
    keys = np.empty(n, dtype=np.uint64)
    # Distinct words into a bijection: no two leaves share a key, so "the smallest" is never ambiguous.
    for lo in range(0, n, _AT_ONCE):
        hi = min(lo + _AT_ONCE, n)
        keys[lo:hi] = _mixed(start + np.arange(first + lo + 1, first + hi + 1, dtype=np.uint64) * _STEP)
    return keys


def sample(keys: NDArray[np.uint64], lo: int, hi: int, size: int) -> NDArray[np.int64]:
    """Positions of the `size` smallest keys in [lo, hi), in key order; all of them when there are fewer.

    Raises
    ------
    ValueError
        When [lo, hi) does not lie within the keys, or `size` is negative.
    """
    if not 0 <= lo <= hi <= len(keys):
        raise ValueError(f"[{lo}, {hi}) is not a range of {len(keys)} leaves.")
    if size < 0:
        raise ValueError(f"A sample cannot have {size} masks.")
    within = keys[lo:hi]
    if size == 0:
        return np.empty(0, dtype=np.int64)
    small = _small(within, size)
    return lo + small[np.argsort(within[small])[:size]].astype(np.int64)


def _small(keys: NDArray[np.uint64], size: int) -> NDArray[np.intp]:
    """Where the `size` smallest keys are, and not many others."""
    if size >= len(keys):
        return np.arange(len(keys))
    # Of keys that are spread evenly about four times as many lie below this: one look at each is enough.
    below = np.flatnonzero(keys < np.uint64(min(4 * size / len(keys), 0.5) * 2**64))
    return below if len(below) >= size else np.argpartition(keys, size - 1)[:size]


def redrawn(keys: NDArray[np.uint64], *, salt: int) -> NDArray[np.uint64]:
    """Other keys for the same leaves, distinct if `keys` are: for samples independent of theirs."""
    return _mixed(keys ^ _mixed(np.array([salt], dtype=np.uint64)))
