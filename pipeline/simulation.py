"""Answers without people: from ground truth, right every time or as often as a worker is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.search import Answer


def oracle_answers(correct: Sequence[NDArray[np.bool_]]) -> Answer:
    """Answers that are always right; `correct` is per tree (n,) bool in leaf order."""

    def answer(tree: int, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        return correct[tree][positions]

    return answer


def noisy_answers(
    correct: Sequence[NDArray[np.bool_]],
    *,
    rng: np.random.Generator,
    sensitivity: float,
    specificity: float | None = None,
) -> Answer:
    """Answers of a crowd: every one is given by somebody else, who errs independently.

    Parameters
    ----------
    sensitivity : probability of yes about a correct mask
    specificity : probability of no about a wrong mask; None for the same as `sensitivity`
    """
    right_no = sensitivity if specificity is None else specificity
    if not (0 <= sensitivity <= 1 and 0 <= right_no <= 1):
        raise ValueError(f"Accuracies are probabilities, not {sensitivity} and {right_no}.")

    def answer(tree: int, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        truth = correct[tree][positions]
        errs = rng.random(len(positions)) >= np.where(truth, sensitivity, right_no)
        return np.asarray(truth ^ errs)

    return answer
