"""What a campaign will bring and cost, before anyone is asked: from trees, calibration and pay.

Imagining a campaign takes seconds to minutes. What comes of it is a function of its `Basis` and of nothing
else, so that a plan can be kept with the digest of that, and told from one of other parameters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Role, Round, Tree
from annotation_site.verification.ground import rules_in_force
from annotation_site.verification.workloads import Workload, votes_of
from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.planning import DRAWS, Plan, plan
from pipeline.progress import Progress, silent


class NothingToForecast(Exception):
    """The project's round is not that far; the message says which stage is missing."""


@dataclass(frozen=True, slots=True)
class Basis:
    """All that the plan of a round rests on, as it is stored: checked when it is used.

    Attributes
    ----------
    trees : (primary key, masks) of the pool's, by category
    calibration : as `Calibration.to_json` gives it; None before there is one
    thresholds, rule, strategy, judgments_per_question, aggregation : as `SearchRules` has them
    seed : of the imagined truths
    draws : imagined truths; more are steadier and take longer
    """

    trees: tuple[tuple[int, int], ...]
    calibration: Mapping[str, Any] | None
    thresholds: Mapping[str, Any]
    rule: str
    strategy: str
    judgments_per_question: int
    aggregation: str
    seed: int
    draws: int = DRAWS

    @property
    def is_complete(self) -> bool:
        """Whether there is anything to plan with."""
        return bool(self.trees and self.calibration)

    @property
    def digest(self) -> str:
        """Another one for anything else, 64 characters."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def masks(self) -> int:
        """Predicted ones."""
        return sum(n for _, n in self.trees)

    @property
    def votes(self) -> float:
        """On one question, on average."""
        return self._votes()[0]

    @property
    def accuracy(self) -> float:
        """How often the answer to a question is right, all its votes counted."""
        return self._votes()[1]

    def _votes(self) -> tuple[float, float]:
        return votes_of(self.aggregation, self.judgments_per_question, self.thresholds.get("accuracy", 1.0))

    def dendrograms(self) -> Iterator[Dendrogram]:
        """The trees, one at a time; without those that are gone by now."""
        rows = Tree.objects.filter(pk__in=[pk for pk, _ in self.trees]).order_by("category_id")
        for tree in rows.iterator(chunk_size=1):
            yield Dendrogram.from_bytes(bytes(tree.packed))


def basis_of(round_: Round) -> Basis:
    """By the rules that a round was opened with, or would be opened with now."""
    rules = rules_in_force(round_)
    trees = Tree.objects.filter(round=round_, role=Role.POOL).order_by("category_id")
    return Basis(
        trees=tuple(trees.values_list("pk", "n")),
        calibration=round_.calibration,
        thresholds=rules.thresholds,
        rule=rules.rule,
        strategy=rules.strategy,
        judgments_per_question=rules.judgments_per_question,
        aggregation=rules.aggregation,
        seed=round_.project.seed % 2**63,
    )


def plan_campaign(round_: Round, basis: Basis, *, progress: Progress = silent) -> Plan:
    """Run a round's campaign on imagined truths, to the end of the longest.

    Raises
    ------
    NothingToForecast
        When the round has no trees or no calibration yet.
    InvalidThresholds, KeyError, ValueError
        When a parameter is out of range or unknown, or a strategy needs what only simulations know.
    """
    slug = round_.project.slug
    if not basis.trees:
        raise NothingToForecast(f"{round_.project} has no trees yet: run `manage.py cluster {slug}` first.")
    if not basis.calibration:
        raise NothingToForecast(
            f"{round_.project} is not calibrated: run `manage.py calibrate {slug}`, for which it needs "
            "annotated held-out images."
        )
    return plan(
        list(basis.dendrograms()),
        Calibration.from_json(basis.calibration),
        Thresholds(**basis.thresholds),
        rng=np.random.default_rng(basis.seed),
        rule=basis.rule,
        strategy=basis.strategy,
        accuracy=basis.accuracy,
        draws=basis.draws,
        progress=progress,
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """What to expect at one point of a campaign.

    Attributes
    ----------
    accepted : masks; between `low` and `high` in 80 % of the imagined campaigns
    precision : share of correct ones among them; NaN before the first
    questions : answers to give, gold included
    money : for them, fees included
    hours : of people, at the project's pace
    """

    accepted: float
    low: float
    high: float
    precision: float
    questions: int
    money: Decimal
    hours: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan in the terms of a project: with votes, gold, HITs, pay and pace.

    Attributes
    ----------
    masks : predicted ones
    """

    plan: Plan
    masks: int
    work: Workload

    def steps(self, count: int) -> list[Expected]:
        """So many points from the first accepted masks to the end, about as far from each other."""
        wanted = np.linspace(0, self.plan.questions[-1], count + 1)[1:]
        places = np.unique(np.searchsorted(self.plan.questions, wanted))
        return [self._at(int(place)) for place in places[places > 0]]

    def target(self, accepted: int) -> Expected | None:
        """Where so many accepted masks are to be expected; None where they are not."""
        if not len(self.plan.accepted) or accepted > self.plan.accepted[-1]:
            return None
        return self._at(int(np.searchsorted(self.plan.accepted, accepted)))

    def until_spent(self, budget: Budget) -> Expected | None:
        """Where the caps of a budget end the campaign; None where they do not."""
        for place in range(len(self.plan.questions)):
            here = self._at(place)
            too_many = budget.questions is not None and here.questions > budget.questions
            if too_many or (budget.money is not None and here.money > budget.money):
                return self._at(max(0, place - 1))
        return None

    def _at(self, place: int) -> Expected:
        questions = self.work.answers(float(self.plan.questions[place]))
        return Expected(
            accepted=float(self.plan.accepted[place]),
            low=float(self.plan.low[place]),
            high=float(self.plan.high[place]),
            precision=float(self.plan.precision[place]),
            questions=questions,
            money=self.work.price(questions),
            hours=self.work.hours(questions),
        )


def forecast(round_: Round, basis: Basis, found: Plan) -> Forecast:
    """A round's plan in the terms that its project has now."""
    return Forecast(found, basis.masks, Workload.of(round_.project, votes=basis.votes))
