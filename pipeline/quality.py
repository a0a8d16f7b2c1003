"""How good the accepted masks are, judging by the very answers that accepted them.

Those answers flatter: a cluster is accepted because its sample happened to hold many yes, so that the share
of yes in accepted samples is above that of the masks nobody looked at. An interval that takes them at their
word hardly ever holds the truth.

What corrects it is to know what clusters are like before anybody is asked. The qualities of all clusters that
were asked about, whatever became of them, are taken to come from one Beta distribution, fitted to all their
answers (empirical Bayes, by maximum likelihood). Given it and its own answers, a cluster's quality has a
distribution that does not depend on when asking ended or on what was decided. Answers err as gold shows: a
mask is said to be right with the chance q sensitivity + (1 - q) (1 - specificity) where the quality is q.

The accepted set's quality adds up over its clusters, each by its own number of masks: those answered yes are
right as far as a yes can be believed, the others with the cluster's quality. Clusters are taken to be
independent: their variances add up, and the interval is that of a Beta distribution of that mean and
variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import beta

from pipeline.shares import Share

_GRID = (np.arange(400) + 0.5) / 400
_MOST_CERTAIN = 0.999
"""No error rate is taken to be smaller than 0.001: one slip would make a cluster impossible."""
_LARGEST = 8.0
"""Bound of the logarithms of the prior's parameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Clusters that people were asked about, those with equal answers together; all (k,).

    Attributes
    ----------
    yes, no : answers of one cluster
    clusters : that had those answers, whatever became of them
    known : accepted masks among them that were answered yes
    rest : accepted masks among them that nobody answered
    rest_squared : sum over the clusters of the square of theirs
    """

    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    clusters: NDArray[np.int64]
    known: NDArray[np.int64]
    rest: NDArray[np.int64]
    rest_squared: NDArray[np.float64]


def accepted_quality(
    asked: Asked, *, sensitivity: float = 1.0, specificity: float = 1.0, confidence: float = 0.95
) -> Share | None:
    """The share of correct masks in the accepted set, with its interval; None while nothing is accepted.

    Parameters
    ----------
    sensitivity, specificity : how often a mask that is right is answered yes, and a wrong one no
    """
    masks = float(asked.known.sum() + asked.rest.sum())
    if masks == 0:
        return None
    said_yes = _said_yes(sensitivity, specificity)
    yes, no = asked.yes.astype(np.float64), asked.no.astype(np.float64)
    likelihood = yes[:, None] * np.log(said_yes) + no[:, None] * np.log1p(-said_yes)
    posterior = _posterior(likelihood, _prior(likelihood, asked.clusters))
    quality = posterior @ _GRID
    spread = np.maximum(posterior @ _GRID**2 - quality**2, 0)
    believed = posterior @ (_GRID * min(sensitivity, _MOST_CERTAIN) / said_yes)
    mean = float(asked.known @ believed + asked.rest @ quality) / masks
    drawn = asked.known @ (believed * (1 - believed)) + asked.rest @ (quality - quality**2 - spread)
    variance = float(drawn + asked.rest_squared @ spread) / masks**2
    return _interval(mean, variance, confidence)


def _said_yes(sensitivity: float, specificity: float) -> NDArray[np.float64]:
    """(g,) chance of a yes at each quality of the grid."""
    sure, wary = min(sensitivity, _MOST_CERTAIN), min(specificity, _MOST_CERTAIN)
    return np.asarray(_GRID * sure + (1 - _GRID) * (1 - wary))


def _prior(likelihood: NDArray[np.float64], clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    """(g,) logarithms of the Beta distribution, over the grid, under which all answers are most likely."""

    def unlikely(parameters: NDArray[np.float64]) -> float:
        return -float(clusters @ logsumexp(likelihood + _log_beta(parameters), axis=1))

    bounds = [(-_LARGEST, _LARGEST)] * 2
    return _log_beta(minimize(unlikely, [0.0, 0.0], method="Nelder-Mead", bounds=bounds).x)


def _log_beta(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b = np.exp(parameters)
    density = (a - 1) * np.log(_GRID) + (b - 1) * np.log1p(-_GRID)
    return np.asarray(density - logsumexp(density))


def _posterior(likelihood: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    joint = likelihood + prior
    return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)))


def _interval(mean: float, variance: float, confidence: float) -> Share:
    strength = mean * (1 - mean) / variance - 1 if variance > 0 else np.inf
    if not np.isfinite(strength) or strength <= 0:
        return Share(mean, mean if variance == 0 else 0.0, mean if variance == 0 else 1.0)
    a, b, tail = mean * strength, (1 - mean) * strength, (1 - confidence) / 2
    low, high = beta.ppf(np.array([tail, 1 - tail]), a, b)
    return Share(mean, min(float(low), mean), max(float(high), mean))
