"""What is still to come of a campaign, seen from where it stands: a plan, continued from the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Round
from annotation_site.verification.forecasting import Forecast
from annotation_site.verification.models import Judgment
from annotation_site.verification.yields import Masks, masks_by_round
from pipeline.planning import outlook

POINTS = 60
"""Of the curve that pages draw."""
DAY = timedelta(hours=24)
LEAST = timedelta(minutes=10)
"""Of answering, before a rate is told."""
FAR = 24 * 365 * 10
"""Hours beyond which no day is told."""


class Ends(StrEnum):
    """Why a forecast ends where it does."""

    BUDGET = "budget"
    TREES = "trees"


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
    currency : of the money
    accepted, low, high : masks by then, those accepted already among them; 80 % lie between low and high
    pace : seconds of an answer
    at : when, if people go on as they do; None when nobody does
    curve : (answers in all, accepted, low, high) on the way there
    """

    ends: Ends
    answers: int
    money: Decimal
    currency: str
    accepted: int
    low: int
    high: int
    pace: float
    at: datetime | None
    curve: list[tuple[int, float, float, float]]

    @property
    def seconds(self) -> float:
        """Of people's time."""
        return self.answers * self.pace

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


def look_ahead(
    round_: Round, forecast: Forecast, budget: Budget | None, stand: Stand, *, at: datetime
) -> Ahead | None:
    """What the forecast of a project's latest round comes to from here on; None where nothing is asked."""
    plan, work = forecast.plan, forecast.work
    if len(plan.questions) < 2:
        return None
    here = _in_round(round_, stand)
    asked = (here.answers - here.gold) / work.votes
    rest = outlook(plan.questions, plan.drawn, questions=asked, accepted=here.accepted)
    left = _affordable(budget, stand, work.price_of_one)
    end, ends = float(rest.questions[-1]), Ends.TREES
    if left is not None and asked + left / work.each < end:
        end, ends = asked + left / work.each, Ends.BUDGET
    answers = work.answers(end - asked)
    others = stand.accepted - here.accepted
    mean, low, high = (round(others + value) for value in rest.at(end))
    hours = None if not stand.per_hour else answers / stand.per_hour
    ways = np.linspace(asked, end, POINTS)
    return Ahead(
        ends=ends,
        answers=answers,
        money=answers * work.price_of_one,
        currency=work.currency,
        accepted=mean,
        low=low,
        high=high,
        pace=work.seconds,
        at=None if hours is None or hours > FAR else at + timedelta(hours=hours),
        curve=[
            (round(stand.answers + (way - asked) * work.each), *(round(others + v, 1) for v in rest.at(way)))
            for way in ways.tolist()
        ],
    )


def _in_round(round_: Round, stand: Stand) -> Stand:
    """The part of it that belongs to a round; all of it where there is only one."""
    if round_.number == 1:
        return stand
    asked = Judgment.objects.given().filter(question__tree__round=round_).count()
    accepted = masks_by_round(round_.project).get(round_.number, Masks()).accepted
    return Stand(asked, 0, accepted, stand.spent, stand.per_hour)


def _affordable(budget: Budget | None, stand: Stand, price: Decimal) -> float | None:
    """Answers that the caps still allow; None without caps."""
    if budget is None:
        return None
    caps = [] if budget.questions is None else [float(budget.questions - stand.answers)]
    if budget.money is not None and price:
        caps.append(float((budget.money - stand.spent) / price))
    return max(min(caps), 0.0) if caps else None
