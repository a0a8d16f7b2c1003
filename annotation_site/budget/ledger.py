"""Reserving what a HIT may cost before it opens, and settling what was done when it ends.

Every movement is a row that stays. The budget's row carries their sum and is locked for each of them; a
check constraint of the database keeps that sum under the caps.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from django.db import transaction
from django.db.models import F

from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.catalog.models import Project

CENT_OF_A_CENT = Decimal("0.0001")
Kind = LedgerEntry.Kind


class BudgetError(Exception):
    """Something the budget does not allow."""


class BudgetSpent(BudgetError):
    """The caps leave no room for another question."""


class CapBelowSpend(BudgetError):
    """A cap was to be set below what is spent or reserved already."""


def budget_of(project: Project) -> Budget:
    """The project's budget; without caps until some are set."""
    return Budget.objects.get_or_create(project=project)[0]


def locked_budget(project_id: int) -> Budget:
    """The budget, for this transaction alone."""
    return Budget.objects.select_for_update(no_key=True).get(project=project_id)


def set_caps(
    *,
    project: Project,
    questions: int | None,
    money: Decimal | None,
    pay_per_question: Decimal = Decimal(0),
    fee_share: Decimal = Decimal(0),
    currency: str = "USD",
) -> Budget:
    """Set what the project may cost; None is no cap.

    Raises
    ------
    CapBelowSpend
        When that much is spent or reserved already.
    """
    budget_of(project)
    with transaction.atomic():
        budget = locked_budget(project.pk)
        for cap, committed, what in (
            (questions, budget.committed_questions, "questions"),
            (money, budget.committed_money, currency),
        ):
            if cap is not None and cap < committed:
                raise CapBelowSpend(
                    f"{project} has {committed} {what} spent or reserved: set a cap of at least that."
                )
        budget.questions, budget.money, budget.currency = questions, money, currency
        budget.pay_per_question, budget.fee_share = pay_per_question, fee_share
        budget.save()
    return budget


def price(budget: Budget) -> Decimal:
    """Money for one question, the marketplace's fee included; not rounded."""
    return budget.pay_per_question * (1 + budget.fee_share)


def affordable(budget: Budget, *, at_most: int) -> int:
    """How many questions still fit under both caps, `at_most` being enough."""
    fits = at_most
    if budget.questions is not None:
        fits = min(fits, budget.questions - budget.committed_questions)
    each = price(budget)
    if budget.money is not None and each > 0:
        left = budget.money - budget.committed_money
        fits = min(fits, int((left / each).to_integral_value(ROUND_FLOOR)))
    return max(fits, 0)


def reserve(*, budget: Budget, questions: int, reference: str, at: datetime) -> None:
    """Set aside what so many questions will cost; `budget` is locked by this transaction.

    Raises
    ------
    BudgetSpent
        When that passes a cap; nothing is written.
    """
    if affordable(budget, at_most=questions) < questions:
        raise BudgetSpent(f"The budget of {budget.project} does not allow {questions} more questions.")
    _move(budget, Kind.RESERVE, questions, _rounded_up(price(budget) * questions), reference, at)


def settle(*, project_id: int, reference: str, done: int, at: datetime) -> None:
    """End a reservation: what was done is spent at the price it was reserved for, the rest is free again.

    Doing so again changes nothing. Waits for the budget's row, so this comes last in a transaction.
    """
    budget = locked_budget(project_id)
    reserved = LedgerEntry.objects.get(kind=Kind.RESERVE, reference=reference)
    if LedgerEntry.objects.filter(kind=Kind.RELEASE, reference=reference).exists():
        return
    spent = min(_rounded_up(reserved.money * done / reserved.questions), reserved.money)
    _move(budget, Kind.RELEASE, -reserved.questions, -reserved.money, reference, at)
    _move(budget, Kind.SETTLE, done, spent, reference, at)


def settle_late(*, project_id: int, reference: str, at: datetime) -> bool:
    """Spend one question that was answered after its reservation had ended, if the caps allow it."""
    budget = locked_budget(project_id)
    if affordable(budget, at_most=1) == 0:
        return False
    _move(budget, Kind.SETTLE, 1, _rounded_up(price(budget)), reference, at)
    return True


def _rounded_up(money: Decimal) -> Decimal:
    return money.quantize(CENT_OF_A_CENT, ROUND_CEILING)


def _move(
    budget: Budget, kind: LedgerEntry.Kind, questions: int, money: Decimal, reference: str, at: datetime
) -> None:
    LedgerEntry.objects.create(
        project_id=budget.project_id, kind=kind, questions=questions, money=money, reference=reference, at=at
    )
    Budget.objects.filter(pk=budget.pk).update(
        committed_questions=F("committed_questions") + questions,
        committed_money=F("committed_money") + money,
    )
