"""How a sample is likely to end, given the answers so far: what lets asking stop early.

The quality of a cluster has a Beta(a, a) prior; an answer is yes with probability
accuracy Q + (1 - accuracy)(1 - Q). With perfect workers the number of yes among the missing answers is then
beta-binomial; with workers who err the posterior has no closed form, so it is integrated numerically.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, roots_jacobi

_NODES, _MANY_NODES, _MANY = 48, 256, 200
"""Nodes of the integration, for samples up to 200 and for larger ones."""


def yes_share(quality: float, accuracy: float) -> float:
    """The share of yes among answers of this accuracy about a cluster of this quality."""
    return accuracy * quality + (1 - accuracy) * (1 - quality)


def endings(
    yes: int, no: int, missing: int, *, accepts: int, rejects: int, accuracy: float, prior: float
) -> tuple[float, float]:
    """Probability that the whole sample has at least `accepts` yes, and that it has at most `rejects`.

    Parameters
    ----------
    yes, no, missing : answers so far, and answers to come
    accuracy : (0.5, 1], how often an answer is right
    prior : a > 0 of the prior Beta(a, a) of the quality
    """
    nodes, weights = _nodes(prior, _NODES if yes + no + missing <= _MANY else _MANY_NODES)
    p = accuracy * nodes + (1 - accuracy) * (1 - nodes)
    likelihood = yes * np.log(p) + no * np.log1p(-p)
    posterior = weights * np.exp(likelihood - likelihood.max())
    posterior /= posterior.sum()
    return (
        _above(accepts - yes - 1, missing, p, posterior),
        1 - _above(rejects - yes, missing, p, posterior),
    )


def _above(bound: int, missing: int, p: NDArray[np.float64], posterior: NDArray[np.float64]) -> float:
    """P(more than `bound` of the missing answers are yes)."""
    if bound < 0:
        return 1.0
    if bound >= missing:
        return 0.0
    return float(posterior @ bdtrc(bound, missing, p))


@lru_cache(maxsize=16)
def _nodes(prior: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Jacobi nodes in (0, 1) and weights that integrate against Beta(prior, prior)."""
    nodes, weights = roots_jacobi(count, prior - 1, prior - 1)
    return (nodes + 1) / 2, weights / weights.sum()
