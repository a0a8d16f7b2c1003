"""How often each worker is right, from all answers at once: Dawid and Skene's model for yes and no.

A worker says yes to a correct mask with their sensitivity, no to a wrong one with their specificity. What is
right is seldom known, so both are estimated together by expectation maximisation, from gold outwards. A Beta
prior keeps newcomers typical; masks of one cluster share how likely a mask of it is correct, which is what
lets single answers speak of their workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-300
ROUNDS, TOLERANCE = 100, 1e-5
"""Expectation maximisation ends after so many rounds, or when no mask's chance moves by more."""
LEAST, MOST = 0.02, 0.98
"""Nobody's answer is worth more than one of these accuracies, however few mistakes are known."""


@dataclass(frozen=True, slots=True)
class Skill:
    """How often a worker is right: about correct masks (sensitivity) and about wrong ones (specificity)."""

    sensitivity: float = 0.9
    specificity: float = 0.9

    def weight(self, says_yes: bool) -> float:
        """The logarithm of how much likelier a correct mask gets by this worker's yes or no."""
        if says_yes:
            return math.log(self.sensitivity / (1 - self.specificity))
        return math.log((1 - self.sensitivity) / self.specificity)


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta(right, wrong) of sensitivity and of specificity; (0, 0) is maximum likelihood."""

    right: float = 9.0
    wrong: float = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What answers say of masks and workers.

    Attributes
    ----------
    correct : (m,) chance of each mask to be correct
    sensitivity, specificity : (w,) of each worker
    """

    correct: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]

    def skill(self, worker: int) -> Skill:
        """A worker's, within bounds that leave every answer a finite weight."""
        found = np.clip([self.sensitivity[worker], self.specificity[worker]], LEAST, MOST)
        return Skill(float(found[0]), float(found[1]))


def estimate(
    masks: NDArray[np.integer],
    workers: NDArray[np.integer],
    says_yes: NDArray[np.bool_],
    *,
    known: NDArray[np.int8],
    groups: NDArray[np.integer] | None = None,
    prior: Prior = Prior(),
) -> Estimate:
    """Estimate what is right and who how often knows it.

    Parameters
    ----------
    masks, workers, says_yes : (a,) per answer: indices from 0, and what was said
    known : (m,) 1 and 0 for gold, -1 where what is right is to be estimated
    groups : (m,) index of the cluster of each mask, whose masks share a chance with a flat prior; None for
        one chance of all masks, without a prior
    """
    m, w = len(known), int(workers.max(initial=-1)) + 1
    yes = says_yes.astype(np.float64)
    votes, said_yes = np.bincount(masks, minlength=m), np.bincount(masks, yes, m)
    correct = np.where(known >= 0, known, said_yes / np.maximum(votes, 1)).astype(np.float64)
    sensitivity = specificity = np.full(w, np.nan)
    for _ in range(ROUNDS):
        right = correct[masks]
        sensitivity = _share(workers, right * yes, right, w, prior)
        specificity = _share(workers, (1 - right) * (1 - yes), 1 - right, w, prior)
        before, correct = (
            correct,
            _chances(masks, workers, says_yes, sensitivity, specificity, _base(correct, known, groups)),
        )
        correct = np.where(known >= 0, known, correct)
        if np.abs(correct - before).max(initial=0.0) < TOLERANCE:
            break
    return Estimate(correct, sensitivity, specificity)


def _share(
    workers: NDArray[np.integer], part: NDArray[np.float64], whole: NDArray[np.float64], w: int, prior: Prior
) -> NDArray[np.float64]:
    """(w,) posterior mean of a share by worker."""
    total = np.bincount(workers, whole, w) + prior.right + prior.wrong
    return np.asarray((np.bincount(workers, part, w) + prior.right) / np.maximum(total, _TINY))


def _base(
    correct: NDArray[np.float64], known: NDArray[np.int8], groups: NDArray[np.integer] | None
) -> NDArray[np.float64]:
    """(m,) chance of a mask before anyone answered: that of its group. Gold is chosen and tells nothing."""
    free = known < 0
    if groups is None:
        return np.full(len(correct), correct[free].mean() if free.any() else 0.5)
    count = np.bincount(groups, free, minlength=1)
    shared = (np.bincount(groups, correct * free, len(count)) + 1) / (count + 2)
    return np.asarray(shared[groups])


def _chances(
    masks: NDArray[np.integer],
    workers: NDArray[np.integer],
    says_yes: NDArray[np.bool_],
    sensitivity: NDArray[np.float64],
    specificity: NDArray[np.float64],
    base: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(m,) chance of each mask to be correct, given the answers to it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if_right = np.log(np.where(says_yes, sensitivity[workers], 1 - sensitivity[workers]))
        if_wrong = np.log(np.where(says_yes, 1 - specificity[workers], specificity[workers]))
        right = np.log(base) + np.bincount(masks, if_right, len(base))
        wrong = np.log(1 - base) + np.bincount(masks, if_wrong, len(base))
        highest = np.maximum(right, wrong)
        of_right, of_wrong = np.exp(right - highest), np.exp(wrong - highest)
        return np.asarray(np.nan_to_num(of_right / (of_right + of_wrong), nan=0.5))
