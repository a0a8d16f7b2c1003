"""What questions about masks come to on a project: answers of people, their time, money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from annotation_site.budget.pay import pay_of
from annotation_site.budget.terms import Terms
from annotation_site.catalog.models import Project
from annotation_site.verification.paces import seconds_a_mask

MOST_GOLD = 0.9
"""Of the answers: room is left for others."""


@dataclass(frozen=True, slots=True)
class Workload:
    """From questions to answers, and from answers to time and money.

    Attributes
    ----------
    votes : on one question, on average
    gold_share : of the answers
    seconds : of one answer, as `paces.seconds_a_mask` has it
    hit_size : answers of a full HIT
    paid_on : the marketplace whose terms these are, for people; empty where they are the budget's
    """

    votes: float
    gold_share: float
    seconds: float
    hit_size: int
    terms: Terms
    currency: str
    paid_on: str = ""

    @classmethod
    def of(cls, project: Project, *, votes: float) -> Self:
        """With the gold, HITs, pay and pace that a project has now."""
        pay = pay_of(project)
        return cls(
            votes=votes,
            gold_share=min(project.gold_share, MOST_GOLD),
            seconds=seconds_a_mask(project),
            hit_size=project.hit_size,
            terms=pay.terms,
            currency=pay.currency,
            paid_on=pay.on,
        )

    @property
    def each(self) -> float:
        """Answers to a question, its votes and the gold that goes with them."""
        return self.votes / (1 - self.gold_share)

    def answers(self, questions: float) -> int:
        """To so many questions, gold included."""
        return round(questions * self.each)

    def hours(self, answers: float) -> float:
        """Of people."""
        return answers * self.seconds / 3600

    def price(self, answers: int) -> Decimal:
        """Money for so many answers in full HITs and one that is shorter, fees included."""
        full, rest = divmod(answers, self.hit_size)
        return full * self._hit(self.hit_size) + (self._hit(rest) if rest else 0)

    @property
    def price_of_one(self) -> Decimal:
        """Of an answer in a full HIT, fees included."""
        return self._hit(self.hit_size) / self.hit_size

    def _hit(self, size: int) -> Decimal:
        return self.terms.of(size, done=size, seconds=Decimal(self.seconds) * size).total


def votes_of(aggregation: str, of: int, accuracy: float) -> tuple[float, float]:
    """Votes on one question, on average, and how often its answer is right.

    Second opinions are planned for as one vote: how many are asked is seen when the campaign runs.

    Parameters
    ----------
    aggregation : a row of `pipeline.aggregation.AGGREGATIONS`
    of : judgments on a question
    accuracy : how often one of them is right
    """
    if aggregation != "majority" or of == 1:
        return 1.0, accuracy
    needed, votes, right = of // 2 + 1, 0.0, 0.0
    for wrong in range(needed):
        ways = math.comb(needed - 1 + wrong, wrong)
        ends_right = ways * accuracy**needed * (1 - accuracy) ** wrong
        ends_wrong = ways * (1 - accuracy) ** needed * accuracy**wrong
        votes += (needed + wrong) * (ends_right + ends_wrong)
        right += ends_right
    return votes, right
