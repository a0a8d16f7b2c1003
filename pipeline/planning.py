"""What a campaign will bring, before anyone is asked: accepted masks against questions.

Possible truths are imagined from the calibration and the very search of the campaign is run on each of them,
so any rule, strategy, sample size and accuracy of workers is planned for by the code that carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Calibration
from pipeline.decisions import DEFAULT_RULE, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.imagining import imagine
from pipeline.progress import Progress, silent, tracked
from pipeline.sampling import leaf_keys
from pipeline.search import search
from pipeline.simulation import noisy_answers
from pipeline.strategies import DEFAULT_STRATEGY, Knowledge

POINTS = 200
"""Of a plan: closest together at its beginning, where campaigns gain most."""
DRAWS = 12
SPAN = (0.1, 0.9)
"""Between these quantiles of the imagined campaigns lie 80 % of them."""
TRUST = 0.1
"""What came counts against what was planned once it is about such a share of what the plan ends with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to expect of so many questions; all (g,), over imagined truths.

    Attributes
    ----------
    questions : from 0 to where the last imagined campaign has nothing left to ask, or the budget
    accepted : mean of the accepted masks
    low, high : between which 80 % of the imagined campaigns lie
    precision : expected share of correct masks among the accepted; NaN before the first is accepted
    drawn : (d, g) accepted masks of each imagined campaign
    """

    questions: NDArray[np.int64]
    accepted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    precision: NDArray[np.float64]
    drawn: NDArray[np.int64]

    def accepted_for(self, questions: float) -> float:
        """Masks to expect of a budget of questions."""
        return float(np.interp(questions, self.questions, self.accepted))

    def cost(self, questions: float, *, price: float) -> float:
        """What so many questions cost, but no more than there are to ask; in the currency of the price."""
        return min(questions, float(self.questions[-1])) * price

    def questions_for(self, accepted: float) -> int | None:
        """Questions to expect for a number of accepted masks; None when that many are not to be expected."""
        if not len(self.accepted) or accepted > self.accepted[-1]:
            return None
        at = int(np.searchsorted(self.accepted, accepted))
        return int(self.questions[at])

    def to_json(self) -> dict[str, list[Any]]:
        """The same as plain lists; None where precision is not defined."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        defined = np.where(np.isnan(self.precision), np.array(None), self.precision)
        return {name: column.tolist() for name, column in (columns | {"precision": defined}).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, list[Any]]) -> Plan:
        """What `to_json` gave."""
        columns: dict[str, Any] = {name: np.array(column, np.float64) for name, column in stored.items()}
        counts = {name: columns[name].astype(np.int64) for name in ("questions", "drawn")}
        return cls(**columns | counts)


def plan(
    trees: Sequence[Dendrogram],
    calibration: Calibration,
    thresholds: Thresholds,
    *,
    rng: np.random.Generator,
    rule: str = DEFAULT_RULE,
    strategy: str = DEFAULT_STRATEGY,
    accuracy: float = 1.0,
    budget: int | None = None,
    draws: int = DRAWS,
    progress: Progress = silent,
) -> Plan:
    """Run the search on `draws` imagined truths.

    Parameters
    ----------
    accuracy : how often workers are right
    budget : questions at which the campaign ends
    """
    courses = [
        _imagined_course(trees, calibration, thresholds, rng, rule, strategy, accuracy, budget)
        for _ in tracked(range(draws), draws, progress, "Imagining campaigns")
    ]
    longest = max((int(course[0, -1]) for course in courses), default=0)
    grid = np.unique(np.rint(longest * np.linspace(0, 1, POINTS) ** 2).astype(np.int64))
    at = [np.searchsorted(course[0], grid, side="right") - 1 for course in courses]
    accepted = np.array([course[1, i] for course, i in zip(courses, at, strict=True)])
    correct = np.array([course[2, i] for course, i in zip(courses, at, strict=True)])
    with np.errstate(invalid="ignore"):
        precision = correct.sum(axis=0) / accepted.sum(axis=0)
    return Plan(
        questions=grid,
        accepted=accepted.mean(axis=0),
        low=np.quantile(accepted, SPAN[0], axis=0),
        high=np.quantile(accepted, SPAN[1], axis=0),
        precision=precision,
        drawn=accepted,
    )


@dataclass(frozen=True, slots=True)
class Outlook:
    """The rest of a plan as seen from where a campaign stands; all (h,), from there to the plan's end.

    Attributes
    ----------
    questions : asked in all
    accepted, low, high : masks accepted by then in all, the mean and where 80 % of the campaigns lie
    """

    questions: NDArray[np.float64]
    accepted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def at(self, questions: float) -> tuple[float, float, float]:
        """(accepted, low, high) once so many are asked; no more than at the end."""
        mean, low, high = (
            float(np.interp(questions, self.questions, values))
            for values in (self.accepted, self.low, self.high)
        )
        return mean, low, high


def outlook(grid: NDArray[np.int64], drawn: NDArray[np.int64], *, questions: float, accepted: int) -> Outlook:
    """What is still to come, `questions` having brought `accepted` masks.

    Each imagined campaign adds what it gains from there on, times how its own yield up to there compares with
    what really came. That ratio is drawn towards 1 for as long as little was expected, so that a forecast
    begins as the plan and ends as what the campaign has shown.

    Parameters
    ----------
    grid, drawn : a plan's
    """
    rest = np.concatenate([[questions], grid[grid > questions]]).astype(np.float64)
    prior = max(TRUST * float(drawn[:, -1].mean()), 1.0)
    gained = np.empty((len(drawn), len(rest)))
    for row, course in enumerate(drawn):
        there = np.interp(rest, grid, course)
        gained[row] = (there - there[0]) * (accepted + prior) / (there[0] + prior)
    low, high = np.quantile(gained, SPAN, axis=0)
    return Outlook(rest, accepted + gained.mean(axis=0), accepted + low, accepted + high)


def _imagined_course(
    trees: Sequence[Dendrogram],
    calibration: Calibration,
    thresholds: Thresholds,
    rng: np.random.Generator,
    rule: str,
    strategy: str,
    accuracy: float,
    budget: int | None,
) -> NDArray[np.int64]:
    """(3, d + 1) questions, accepted masks and correct ones among them, after 0 to d decisions."""
    truths = [
        imagine(
            tree,
            calibration.expected_quality(np.diff(tree.score_sum)),
            cohesion=calibration.cohesion,
            rng=rng,
        )
        for tree in trees
    ]
    decisions = search(
        trees,
        noisy_answers(truths, rng=rng, sensitivity=accuracy),
        keys=[leaf_keys(tree.n, seed=int(rng.integers(2**63))) for tree in trees],
        thresholds=thresholds,
        rule=rule,
        strategy=strategy,
        known=[Knowledge(thresholds, calibration)] * len(trees),
        budget=budget,
    )
    course = [(0, 0, 0)]
    for decision in decisions:
        questions, accepted, correct = course[-1]
        if decision.verdict is Verdict.ACCEPT:
            tree = trees[decision.tree]
            inside = truths[decision.tree][tree.lo[decision.cluster] : tree.hi[decision.cluster]]
            accepted, correct = accepted + len(inside), correct + int(inside.sum())
        course.append((questions + decision.questions, accepted, correct))
    return np.array(course).T
