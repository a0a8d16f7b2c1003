"""What is still to come of a campaign, seen from where it stands.

Imagining campaigns takes seconds to minutes. A worker does it once for the parameters of a calibrated round,
and keeps the plan with the stage that calibrated it; pages read off what is left of it from where the answers
have come to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
from django.db import transaction

from annotation_site.budget.models import Budget
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project, Role, Round, StageRun, Tree
from annotation_site.verification.forecasting import SECONDS, forecast, gold_share_of, price_of, votes_of
from annotation_site.verification.ground import thresholds_of
from annotation_site.verification.models import Judgment
from annotation_site.verification.yields import Masks, masks_by_round
from pipeline.planning import outlook

PLANNED = 20_000
"""Questions at which imagined campaigns end: what longer ones bring is told again as they come nearer."""
OPEN_END = 2_048
"""The most questions that one cluster may take: a plan that ends so near to `PLANNED` was cut off there."""
POINTS = 60
"""Of the curve that pages draw."""
DAY = timedelta(hours=24)
LEAST = timedelta(minutes=10)
"""Of answering, before a rate is told."""


class Ends(StrEnum):
    """Why a forecast ends where it does."""

    BUDGET = "budget"
    TREES = "trees"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a campaign stands.

    Attributes
    ----------
    answers, gold : given, the gold ones among them
    accepted : masks
    spent : money, for good
    per_hour : answers, as people give them at present; None when nobody does
    """

    answers: int
    gold: int
    accepted: int
    spent: Decimal
    per_hour: float | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is to be expected from here to the end.

    Attributes
    ----------
    ends : what ends it
    answers, money : still to be given and paid, gold and fees included
    accepted, low, high : masks by then, those accepted already among them; 80 % lie between low and high
    seconds : of people's time, at two an answer
    at : when, if people go on as they do; None when nobody does
    curve : (answers in all, accepted, low, high) on the way there
    """

    ends: Ends
    answers: int
    money: Decimal
    accepted: int
    low: int
    high: int
    seconds: float
    at: datetime | None
    curve: list[tuple[int, float, float, float]]

    @property
    def hours(self) -> float:
        """Of people's time."""
        return self.seconds / 3600


def present_rate(recent: int, *, first: datetime | None, at: datetime) -> float | None:
    """Answers an hour: of the last day, nights included, or since the first answer where that is later.

    Parameters
    ----------
    recent : answers of the last day
    """
    if not recent or first is None:
        return None
    return recent / (max(min(at - first, DAY), LEAST) / timedelta(hours=1))


def look_ahead(project: Project, budget: Budget | None, stand: Stand, *, at: datetime) -> Ahead | None:
    """The forecast of the project's latest round; None until a worker has planned it."""
    round_ = project.rounds.order_by("-number").first()
    plan = _kept(project, round_) if round_ is not None else None
    if round_ is None or plan is None or len(plan["questions"]) < 2:
        return None
    votes, _ = votes_of(project)
    each = votes / (1 - gold_share_of(project))
    here = _in_round(round_, stand)
    asked = (here.answers - here.gold) / votes
    grid, drawn = np.array(plan["questions"]), np.array(plan["drawn"])
    rest = outlook(grid, drawn, questions=asked, accepted=here.accepted)
    price = _price(project, budget)
    left = _affordable(budget, stand, price)
    end, ends = float(rest.questions[-1]), Ends.PLAN if _is_cut_off(plan) else Ends.TREES
    if left is not None and asked + left / each < end:
        end, ends = asked + left / each, Ends.BUDGET
    answers = max(0, round((end - asked) * each))
    others = stand.accepted - here.accepted
    mean, low, high = (round(others + value) for value in rest.at(end))
    hours = None if not stand.per_hour else answers / stand.per_hour
    ways = np.linspace(asked, end, POINTS)
    return Ahead(
        ends=ends,
        answers=answers,
        money=answers * price,
        accepted=mean,
        low=low,
        high=high,
        seconds=answers * SECONDS,
        at=None if hours is None or hours > _FAR else at + timedelta(hours=hours),
        curve=[
            (round(stand.answers + (way - asked) * each), *(round(others + v, 1) for v in rest.at(way)))
            for way in ways.tolist()
        ],
    )


_FAR = 24 * 365 * 10
"""Hours beyond which no day is told."""


def _is_cut_off(plan: Mapping[str, Any]) -> bool:
    """Whether the imagined campaigns were ended before there was nothing left to ask."""
    return bool(plan["questions"][-1] > PLANNED - OPEN_END)


def _in_round(round_: Round, stand: Stand) -> Stand:
    """The part of it that belongs to a round; all of it where there is only one."""
    if round_.number == 1:
        return stand
    asked = Judgment.objects.given().filter(question__tree__round=round_).count()
    accepted = masks_by_round(round_.project).get(round_.number, Masks()).accepted
    return Stand(asked, 0, accepted, stand.spent, stand.per_hour)


def _price(project: Project, budget: Budget | None) -> Decimal:
    """Of one answer in a full HIT, fees included."""
    if budget is None:
        return Decimal(0)
    size = project.hit_size
    return price_of(size, terms=budget.terms, hit_size=size) / size


def _affordable(budget: Budget | None, stand: Stand, price: Decimal) -> float | None:
    """Answers that the caps still allow; None without caps."""
    if budget is None:
        return None
    caps = [] if budget.questions is None else [float(budget.questions - stand.answers)]
    if budget.money is not None and price:
        caps.append(float((budget.money - stand.spent) / price))
    return max(min(caps), 0.0) if caps else None


def rounds_to_plan() -> list[Round]:
    """The latest calibrated rounds whose parameters nobody has planned with."""
    latest = Round.objects.order_by("project_id", "-number").distinct("project_id").select_related("project")
    return [
        round_
        for round_ in latest.defer("calibration").exclude(calibration__isnull=True)
        if _kept(round_.project, round_) is None
        and Tree.objects.filter(round=round_, role=Role.POOL).exists()
    ]


def plan_ahead(round_: Round) -> bool:
    """Imagine a round's campaign and keep what it brings; False when somebody is at it or it is done."""
    with Claims() as claims:
        if not claims.take(Kind.PLAN, round_.pk) or _kept(round_.project, round_) is not None:
            return False
        rng = np.random.default_rng(round_.project.seed % 2**63)
        plan = forecast(project=round_.project, rng=rng, questions=PLANNED).plan
        _keep(
            round_,
            {
                "of": _parameters(round_.project, round_),
                "questions": plan.questions.tolist(),
                "drawn": plan.drawn.tolist(),
            },
        )
    return True


def _kept(project: Project, round_: Round) -> dict[str, Any] | None:
    """The plan of a round, if it is one with the project's parameters."""
    run = StageRun.objects.filter(round=round_, stage=StageRun.Stage.CALIBRATE).only("detail").first()
    plan: dict[str, Any] | None = run.detail.get("plan") if run else None
    return plan if plan and plan["of"] == _parameters(project, round_) else None


@transaction.atomic
def _keep(round_: Round, plan: dict[str, Any]) -> None:
    StageRun.objects.get_or_create(round=round_, stage=StageRun.Stage.CALIBRATE)
    run = StageRun.objects.select_for_update().get(round=round_, stage=StageRun.Stage.CALIBRATE)
    run.detail = {**run.detail, "plan": plan}
    run.save(update_fields=["detail"])


def _parameters(project: Project, round_: Round) -> str:
    """A name of all that a plan depends on."""
    told = (
        thresholds_of(project, round_), project.rule, project.strategy, votes_of(project), PLANNED,
        list(Tree.objects.filter(round=round_, role=Role.POOL).order_by("pk").values_list("pk", flat=True)),
    )  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
