"""Which masks may be correct, as far as scores and the tree tell: possible truths to plan with.

A mask of score s is correct with the chance that held-out clusters of mean score s show. Masks are not
independent: what the clustering has put together is right or wrong together. Here a Gaussian walks down from
the root, its variance growing with the logarithm of how much smaller each cluster is than its parent, at a
rate called cohesion; a mask is correct where the walk, shifted to its chance, ends above 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.compiled import compiled
from pipeline.dendrogram import Dendrogram

_CERTAIN = 1e-6
_COHESIONS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_DRAWS = 4


def imagine(
    tree: Dendrogram, chances: NDArray[np.floating], *, cohesion: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(n,) bool in leaf order: a possible truth.

    Parameters
    ----------
    chances : (n,) chance of each mask to be correct, in leaf order
    cohesion : >= 0, variance of the walk for every halving of size by a factor e; 0 for independent masks
    """
    steps = rng.standard_normal(len(tree.lo), dtype=np.float32)
    walked = np.empty(tree.n, dtype=np.float32)
    _walk(tree.lo, tree.hi, tree.parent, steps, np.float32(np.sqrt(cohesion)), walked)
    # The own part of a mask has variance 1; together they leave each mask its chance.
    total = np.sqrt(1 + cohesion * np.log(tree.n))
    shifted = ndtri(np.clip(chances, _CERTAIN, 1 - _CERTAIN)) * total + walked
    return np.asarray(shifted + rng.standard_normal(tree.n, dtype=np.float32) > 0)


@compiled
def _walk(
    lo: NDArray[np.int32],
    hi: NDArray[np.int32],
    parent: NDArray[np.int32],
    steps: NDArray[np.float32],
    scale: np.float32,
    walked: NDArray[np.float32],
) -> None:
    """Add the steps up on the way to every leaf; `steps` becomes the walk at every node."""
    steps[0] = 0
    for node in range(1, len(lo)):
        above = parent[node]
        smaller = np.log((hi[above] - lo[above]) / (hi[node] - lo[node]))
        steps[node] = steps[above] + scale * np.sqrt(smaller) * steps[node]
    for node in range(len(lo)):
        if hi[node] - lo[node] == 1:
            walked[lo[node]] = steps[node]


def cohesion_of(
    trees: Sequence[Dendrogram],
    chances: Sequence[NDArray[np.floating]],
    correct: Sequence[NDArray[np.bool_]],
    *,
    smallest: int,
    rng: np.random.Generator,
) -> float:
    """The cohesion at which imagined clusters differ from their chances as much as the real ones do.

    Measured by the mean squared difference between the quality of a cluster and the mean chance of its masks,
    over clusters of at least `smallest` masks; between the tried cohesions it is interpolated. 0 without any.
    """
    real = _deviation(trees, chances, correct, smallest)
    if not real:
        return 0.0
    imagined = [
        np.mean(
            [
                _deviation(
                    trees,
                    chances,
                    [imagine(t, p, cohesion=tried, rng=rng) for t, p in zip(trees, chances, strict=True)],
                    smallest,
                )
                for _ in range(_DRAWS)
            ]
        )
        for tried in _COHESIONS
    ]
    return float(np.interp(real, np.maximum.accumulate(imagined), _COHESIONS))


def _deviation(
    trees: Sequence[Dendrogram],
    chances: Sequence[NDArray[np.floating]],
    correct: Sequence[NDArray[np.bool_]],
    smallest: int,
) -> float:
    squares, nodes = 0.0, 0
    for tree, expected, found in zip(trees, chances, correct, strict=True):
        kept = np.flatnonzero(tree.hi - tree.lo >= smallest)
        surplus = np.concatenate([[0.0], np.cumsum(found - expected)])
        mean = (surplus[tree.hi[kept]] - surplus[tree.lo[kept]]) / tree.size(kept)
        squares, nodes = squares + float(mean @ mean), nodes + len(kept)
    return squares / nodes if nodes else 0.0
