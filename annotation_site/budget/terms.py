"""What a HIT costs: what its worker is paid, and the marketplace's fee on top of it. Pure; all in Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any, Self

CENT_OF_A_CENT = Decimal("0.0001")
HOUR = 3600
NOTHING = Decimal(0)


class Partial(StrEnum):
    """What is paid for a HIT that ends before its last question."""

    SHARE = "share"
    NOTHING = "nothing"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Cost:
    """Money for one thing, in ten-thousandths: each part is rounded up by itself.

    Attributes
    ----------
    pay : the worker's
    fee : the marketplace's
    """

    pay: Decimal = NOTHING
    fee: Decimal = NOTHING

    @property
    def total(self) -> Decimal:
        return self.pay + self.fee


@dataclass(frozen=True, slots=True)
class Terms:
    """How work is paid; the three rates add up, and usually two of them are 0.

    Attributes
    ----------
    per_question, per_hit, per_hour : money
    longest : seconds of one question that are paid by the hour at most, so that a reservation has an end
    fee_share : of the pay, on top of it
    least_fee : for a HIT or a bonus that is paid at all, as MTurk's 0.01
    partial : what is paid for a HIT that ends before its last question
    """

    per_question: Decimal = NOTHING
    per_hit: Decimal = NOTHING
    per_hour: Decimal = NOTHING
    longest: int = 10
    fee_share: Decimal = NOTHING
    least_fee: Decimal = NOTHING
    partial: Partial = Partial.SHARE

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """As `as_json` gave it."""
        money = {
            name: Decimal(str(stored[name]))
            for name in ("per_question", "per_hit", "per_hour", "fee_share", "least_fee")
        }
        return cls(longest=int(stored["longest"]), partial=Partial(stored["partial"]), **money)

    def as_json(self) -> dict[str, str | int]:
        """Plain values: what a reservation keeps, so that it is settled by what was promised."""
        return {
            "per_question": str(self.per_question),
            "per_hit": str(self.per_hit),
            "per_hour": str(self.per_hour),
            "longest": self.longest,
            "fee_share": str(self.fee_share),
            "least_fee": str(self.least_fee),
            "partial": self.partial.value,
        }

    def at_most(self, questions: int) -> Cost:
        """The most that a HIT of so many questions may come to."""
        return self._with_fee(self._pay(questions, self.longest * questions, share=Decimal(1)))

    def of(self, questions: int, *, done: int, seconds: Decimal, partial: Partial | None = None) -> Cost:
        """What a HIT comes to that has ended; never above `at_most`.

        Parameters
        ----------
        questions, done : of the HIT, and those that were answered
        seconds : that the answers took, each of them no more than `longest`
        partial : instead of the terms' own; who is stopped is paid for what they did
        """
        rule = self.partial if partial is None else partial
        if done >= questions or (done and rule is Partial.SHARE):
            return self._with_fee(self._pay(done, seconds, share=Decimal(done) / questions))
        return self.at_most(questions) if done and rule is Partial.FULL else Cost()

    def late(self, questions: int, *, seconds: Decimal) -> Cost:
        """One answer more to a HIT of so many questions that is over; nothing where its end paid for all."""
        if self.partial is not Partial.SHARE:
            return Cost()
        pay = self._pay(1, min(seconds, Decimal(self.longest)), share=1 / Decimal(questions))
        return Cost(_up(pay), _up(pay * self.fee_share))

    def expected(self, questions: int, *, seconds: float) -> Decimal:
        """The pay, without fees, of a finished HIT whose questions take so many seconds each."""
        return self.of(questions, done=questions, seconds=Decimal(seconds) * questions).pay

    def bonus(self, money: Decimal) -> Cost:
        """A bonus of `money`, with its fee."""
        return self._with_fee(money)

    def _pay(self, questions: int, seconds: Decimal | int, *, share: Decimal) -> Decimal:
        timed = min(Decimal(seconds), Decimal(self.longest * questions))
        return self.per_question * questions + self.per_hit * share + self.per_hour * timed / HOUR

    def _with_fee(self, pay: Decimal) -> Cost:
        if not pay:
            return Cost()
        return Cost(_up(pay), _up(max(pay * self.fee_share, self.least_fee)))


def _up(money: Decimal) -> Decimal:
    return money.quantize(CENT_OF_A_CENT, ROUND_CEILING)
