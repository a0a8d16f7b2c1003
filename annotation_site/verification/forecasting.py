"""What a campaign will bring and cost, before anyone is asked: from trees, calibration and pay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from annotation_site.budget.caps import budget_of
from annotation_site.budget.models import Budget
from annotation_site.budget.terms import Terms
from annotation_site.catalog.models import Project, Role, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.verification.ground import thresholds_of
from pipeline.calibration import Calibration
from pipeline.dendrogram import Dendrogram
from pipeline.planning import DRAWS, Plan, plan
from pipeline.progress import Progress, silent

SECONDS = 2.0
"""A yes or no with its moment of looking (paper, Sec. 5.2)."""


class NothingToForecast(Exception):
    """The project's round is not that far; the message says which stage is missing."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What to expect at one point of a campaign.

    Attributes
    ----------
    accepted : masks; between `low` and `high` in 80 % of the imagined campaigns
    precision : share of correct ones among them; NaN before the first
    questions : answers to give, gold included
    money : for them, fees included
    hours : of people, at two seconds a question
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
    """A plan in the terms of a project: with votes, gold, HITs and pay.

    Attributes
    ----------
    votes : on one question, on average
    """

    plan: Plan
    masks: int
    votes: float
    gold_share: float
    hit_size: int
    terms: Terms
    currency: str

    def steps(self, count: int) -> list[Expected]:
        """So many points from the first accepted masks to the end."""
        last = len(self.plan.questions) - 1
        places = np.unique(np.linspace(0, last, count + 1).round().astype(int))[1:]
        return [self._at(int(place)) for place in places]

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

    def price(self, questions: int) -> Decimal:
        """Money for so many questions in full HITs and one that is shorter, fees included."""
        return price_of(questions, terms=self.terms, hit_size=self.hit_size)

    def _at(self, place: int) -> Expected:
        asked = float(self.plan.questions[place]) * self.votes
        questions = math.ceil(asked / (1 - self.gold_share))
        return Expected(
            accepted=float(self.plan.accepted[place]),
            low=float(self.plan.low[place]),
            high=float(self.plan.high[place]),
            precision=float(self.plan.precision[place]),
            questions=questions,
            money=self.price(questions),
            hours=questions * SECONDS / 3600,
        )


def forecast(
    *,
    project: Project,
    rng: np.random.Generator,
    draws: int = DRAWS,
    questions: int | None = None,
    progress: Progress = silent,
) -> Forecast:
    """Run the campaign of the project's current round on imagined truths.

    Parameters
    ----------
    draws : imagined truths; more are steadier and take longer
    questions : to the masks' questions, at which the imagined campaigns end; None for their own end

    Raises
    ------
    NothingToForecast
        When the round has no trees or no calibration yet.
    InvalidThresholds, KeyError
        When a parameter of the project is out of range or unknown.
    """
    round_ = current_round(project)
    trees = list(_dendrograms(round_.pk))
    if not trees:
        raise NothingToForecast(f"{project} has no trees yet: run `manage.py cluster {project.slug}` first.")
    if not round_.calibration:
        raise NothingToForecast(
            f"{project} is not calibrated: run `manage.py calibrate {project.slug}`, for which it needs "
            "annotated held-out images."
        )
    votes, accuracy = votes_of(project)
    found = plan(
        trees,
        Calibration.from_json(round_.calibration),
        thresholds_of(project, round_),
        rng=rng,
        rule=project.rule,
        strategy=project.strategy,
        accuracy=accuracy,
        budget=questions,
        draws=draws,
        progress=progress,
    )
    return in_terms_of(project, found, masks=sum(tree.n for tree in trees), votes=votes)


def in_terms_of(project: Project, plan: Plan, *, masks: int, votes: float) -> Forecast:
    """A plan with the gold, HITs and pay that a project has now."""
    budget = budget_of(project)
    return Forecast(
        plan=plan,
        masks=masks,
        votes=votes,
        gold_share=gold_share_of(project),
        hit_size=project.hit_size,
        terms=budget.terms,
        currency=budget.currency,
    )


def price_of(questions: int, *, terms: Terms, hit_size: int) -> Decimal:
    """Money for so many questions in full HITs and one that is shorter, fees included."""

    def hit(size: int) -> Decimal:
        return terms.of(size, done=size, seconds=Decimal(SECONDS) * size).total

    full, rest = divmod(questions, hit_size)
    return full * hit(hit_size) + (hit(rest) if rest else 0)


def _dendrograms(round_id: int) -> Iterator[Dendrogram]:
    trees = Tree.objects.filter(round=round_id, role=Role.POOL).order_by("category_id")
    for tree in trees.iterator(chunk_size=1):
        yield Dendrogram.from_bytes(bytes(tree.packed))


def gold_share_of(project: Project) -> float:
    """Share of the questions that are gold; one that leaves room for others."""
    return min(project.gold_share, 0.9)


def votes_of(project: Project, accuracy: float | None = None) -> tuple[float, float]:
    """Votes on one question, on average, and how often its answer is right.

    Second opinions are planned for as one vote: how many are asked is seen when the campaign runs.

    Parameters
    ----------
    accuracy : of one vote; None for what the project assumes
    """
    right_vote = project.worker_accuracy if accuracy is None else accuracy
    of = project.judgments_per_question
    if project.aggregation != "majority" or of == 1:
        return 1.0, right_vote
    needed, votes, right = of // 2 + 1, 0.0, 0.0
    for wrong in range(needed):
        ways = math.comb(needed - 1 + wrong, wrong)
        ends_right = ways * right_vote**needed * (1 - right_vote) ** wrong
        ends_wrong = ways * (1 - right_vote) ** needed * right_vote**wrong
        votes += (needed + wrong) * (ends_right + ends_wrong)
        right += ends_right
    return votes, right
