"""Reserving what a HIT may cost before it opens, and settling what was done when it ends.

Every movement is a row that stays. The budget's row carries their sum and is locked for each of them; a
check constraint of the database keeps that sum under the caps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, Sum

from annotation_site.budget.caps import BudgetError, InvalidTerms, budget_of, locked_budget
from annotation_site.budget.models import SPENT, Budget, LedgerEntry
from annotation_site.budget.terms import Cost, Partial, Terms
from annotation_site.catalog.models import Project
from annotation_site.webhooks.models import Kind as Told
from annotation_site.webhooks.noting import is_news, note_once

Kind = LedgerEntry.Kind
MILESTONES = (50, 80, 100)
"""Per cent of a cap whose spending webhooks are told of."""


class BudgetSpent(BudgetError):
    """The caps leave no room for another question."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What a project's ledger comes to.

    Attributes
    ----------
    questions, money : spent for good, fees and bonuses included
    fees, bonuses : of the money; a bonus includes its fee
    reserved_questions, reserved_money : for HITs that are open
    """

    questions: int
    money: Decimal
    fees: Decimal
    bonuses: Decimal
    reserved_questions: int
    reserved_money: Decimal


def affordable(budget: Budget, *, at_most: int, terms: Terms | None = None) -> int:
    """How many questions of one HIT still fit under both caps, `at_most` being enough.

    Parameters
    ----------
    terms : how the HIT is paid, where not as the budget says
    """
    fits = at_most
    if budget.questions is not None:
        fits = min(fits, budget.questions - budget.committed_questions)
    if budget.money is not None and fits > 0:
        left, paid = budget.money - budget.committed_money, terms or budget.terms
        fits = bisect_right(range(1, fits + 1), left, key=lambda questions: paid.at_most(questions).total)
    return max(fits, 0)


def is_spent(budget: Budget) -> bool:
    """Whether the caps leave nobody another question.

    What one costs is as the budget says; where that pays nothing, as was last reserved for a paid HIT: places
    of a marketplace are paid on its listing's terms.
    """
    paid = None
    if budget.money is not None and not budget.terms.at_most(1).total:
        reserved = LedgerEntry.objects.filter(project=budget.project_id, kind=Kind.RESERVE, money__gt=0)
        latest = reserved.order_by("at", "pk").last()
        paid = None if latest is None else _terms_of(latest)
    return affordable(budget, at_most=1, terms=paid) == 0


def reserve(
    *, budget: Budget, questions: int, reference: str, at: datetime, terms: Terms | None = None
) -> None:
    """Set aside the most that a HIT may cost, fees included; `budget` is locked by this transaction.

    Parameters
    ----------
    terms : as for `affordable`; it is settled by them, too

    Raises
    ------
    BudgetSpent
        When that passes a cap; nothing is written.
    """
    paid = terms or budget.terms
    if affordable(budget, at_most=questions, terms=paid) < questions:
        raise BudgetSpent(f"The budget of {budget.project} does not allow {questions} more questions.")
    _move(budget, Kind.RESERVE, questions, paid.at_most(questions), reference, at, terms=paid.as_json())


def settle(
    *,
    project_id: int,
    reference: str,
    done: int,
    at: datetime,
    seconds: Decimal = Decimal(0),
    partial: Partial | None = None,
    payee: int | None = None,
) -> None:
    """End a reservation: what was done is spent on the terms it was reserved on, the rest is free again.

    Doing so again changes nothing. Waits for the budget's row, so this comes last in a transaction. It comes
    to no more than was reserved, so it ends in an overdrawn budget, too.

    Parameters
    ----------
    seconds : that the answers took, each no more than the terms' `longest`
    partial : what an unfinished HIT is paid, instead of what the terms say
    payee : primary key of the worker whose pay it is
    """
    budget = locked_budget(project_id)
    reserved = LedgerEntry.objects.get(kind=Kind.RESERVE, reference=reference)
    if LedgerEntry.objects.filter(kind=Kind.RELEASE, reference=reference).exists():
        return
    held = Cost(reserved.money - reserved.fee, reserved.fee)
    spent = _terms_of(reserved).of(reserved.questions, done=done, seconds=seconds, partial=partial)
    _move(budget, Kind.RELEASE, -reserved.questions, Cost(-held.pay, -held.fee), reference, at)
    # The release lowered `overdrawn` to what is left of it: what is spent of that was committed before.
    _move(budget, Kind.SETTLE, done, spent, reference, at, payee=payee, past_cap=True)
    _tell_spent(budget, at)


def settle_late(
    *,
    project_id: int,
    reference: str,
    hit: str,
    at: datetime,
    seconds: Decimal = Decimal(0),
    payee: int | None = None,
) -> bool:
    """Spend one question that was answered after its reservation `hit` had ended, if the caps allow it."""
    budget = locked_budget(project_id)
    reserved = LedgerEntry.objects.get(kind=Kind.RESERVE, reference=hit)
    cost = _terms_of(reserved).late(reserved.questions, seconds=seconds)
    if not _fits(budget, 1, cost):
        return False
    _move(budget, Kind.SETTLE, 1, cost, reference, at, payee=payee)
    _tell_spent(budget, at)
    return True


def give_bonus(
    *,
    project: Project,
    money: Decimal,
    reference: str,
    note: str,
    at: datetime,
    payee: int | None = None,
    terms: Terms | None = None,
) -> LedgerEntry:
    """Spend a bonus and its fee, under the cap; a reference is paid once, however often this is repeated.

    Parameters
    ----------
    reference : whom and what it is for, e.g. worker:3:week-48; a provider derives its request token from it
    note : why, for people
    terms : whose fee is on it, where not the budget's

    Raises
    ------
    BudgetSpent
        When it passes the cap; nothing is written.
    InvalidTerms
        When the money is not above 0.
    """
    if money <= 0:
        raise InvalidTerms(f"A bonus is more than {money}.")
    budget_of(project)
    with transaction.atomic():
        budget = locked_budget(project.pk)
        given = LedgerEntry.objects.filter(kind=Kind.BONUS, reference=reference).first()
        if given is not None:
            return given
        cost = (terms or budget.terms).bonus(money)
        if not _fits(budget, 0, cost):
            raise BudgetSpent(f"The budget of {project} does not allow a bonus of {cost.total} with its fee.")
        entry = _move(budget, Kind.BONUS, 0, cost, reference, at, note=note[:200], payee=payee)
        _tell_spent(budget, at)
        return entry


def correct(
    *,
    project_id: int,
    reference: str,
    due: Cost,
    payee: int,
    note: str,
    at: datetime,
    also: Collection[str] = (),
    past_cap: bool = False,
) -> None:
    """Bring what is spent for one thing in line with what it comes to, up or down; again changes nothing.

    Waits for the budget's row, so this comes last in a transaction.

    Parameters
    ----------
    reference : what it is for, e.g. submission:3; entries made here have it, with their number
    due : what it comes to in all
    payee : primary key of the worker whose pay it is
    note : why, for people
    also : references of other entries for the same thing
    past_cap : the money is gone already, so the cap does not hold it back

    Raises
    ------
    BudgetSpent
        When it passes the cap; nothing is written.
    """
    budget = locked_budget(project_id)
    own = LedgerEntry.objects.filter(project=project_id, payee=payee, kind__in=SPENT).order_by()
    about = own.filter(Q(reference__in=[reference, *also]) | Q(reference__startswith=f"{reference}:"))
    there = about.aggregate(
        pay=Sum(F("money") - F("fee"), default=Decimal(0)),
        fee=Sum("fee", default=Decimal(0)),
        number=Count("pk", filter=Q(kind=Kind.CORRECT)),
    )
    missing = Cost(due.pay - there["pay"], due.fee - there["fee"])
    if missing == Cost():
        return
    if missing.total > 0 and not past_cap and not _fits(budget, 0, missing):
        raise BudgetSpent(f"The budget of {budget.project} does not allow {missing.total}, fee included.")
    numbered = f"{reference}:{there['number'] + 1}"
    _move(budget, Kind.CORRECT, 0, missing, numbered, at, note=note[:200], payee=payee, past_cap=past_cap)
    _tell_spent(budget, at)


def spend_of(project: Project) -> Spend:
    """What the ledger comes to: spent for good, and reserved."""
    entries = LedgerEntry.objects.filter(project=project)
    final, held = Q(kind__in=SPENT), Q(kind__in=[Kind.RESERVE, Kind.RELEASE])
    sums = entries.aggregate(
        done=Sum("questions", filter=final, default=0),
        open=Sum("questions", filter=held, default=0),
        spent=Sum("money", filter=final, default=Decimal(0)),
        fees=Sum("fee", filter=final, default=Decimal(0)),
        bonuses=Sum("money", filter=Q(kind=Kind.BONUS), default=Decimal(0)),
        reserved=Sum("money", filter=held, default=Decimal(0)),
    )
    return Spend(
        questions=sums["done"],
        money=sums["spent"],
        fees=sums["fees"],
        bonuses=sums["bonuses"],
        reserved_questions=sums["open"],
        reserved_money=sums["reserved"],
    )


def earned_by(project: Project, payees: Collection[int]) -> dict[int, Decimal]:
    """Worker's primary key -> what the ledger says they earned, bonuses included and fees not."""
    final = LedgerEntry.objects.filter(project=project, payee__in=payees, kind__in=SPENT).order_by()
    return dict(final.values_list("payee").annotate(pay=Sum(F("money") - F("fee"))))


def _terms_of(reserved: LedgerEntry) -> Terms:
    """What a reservation is settled by; those from before terms were kept had a price per question."""
    if reserved.terms is None:
        return Terms(per_question=reserved.money / reserved.questions)
    return Terms.from_json(reserved.terms)


def _fits(budget: Budget, questions: int, cost: Cost) -> bool:
    too_many = budget.questions is not None and budget.committed_questions + questions > budget.questions
    too_much = budget.money is not None and budget.committed_money + cost.total > budget.money
    return not (too_many or too_much)


def _move(
    budget: Budget,
    kind: LedgerEntry.Kind,
    questions: int,
    cost: Cost,
    reference: str,
    at: datetime,
    *,
    past_cap: bool = False,
    **told: Any,
) -> LedgerEntry:
    entry = LedgerEntry.objects.create(
        project_id=budget.project_id,
        kind=kind,
        questions=questions,
        money=cost.total,
        fee=cost.fee,
        reference=reference,
        at=at,
        **told,
    )
    budget.committed_questions += questions  # Its row is locked: what is known here is what is there.
    budget.committed_money += cost.total
    beyond = Decimal(0) if budget.money is None else max(budget.committed_money - budget.money, Decimal(0))
    budget.overdrawn = beyond if past_cap else min(beyond, budget.overdrawn)
    Budget.objects.filter(pk=budget.pk).update(
        committed_questions=F("committed_questions") + questions,
        committed_money=F("committed_money") + cost.total,
        overdrawn=budget.overdrawn,
    )
    return entry


def note_refusal(*, project_id: int, at: datetime) -> None:
    """Have webhooks told that the caps leave no room for a HIT: once, until a cap is changed."""
    budget = Budget.objects.get(project=project_id)
    caps = {"questions": budget.questions, "money": budget.money, "currency": budget.currency}
    with transaction.atomic():
        note_once(project_id, Told.BUDGET_REFUSED, f"budget.refused:{_caps(budget)}", {"caps": caps}, at=at)


def _tell_spent(budget: Budget, at: datetime) -> None:
    """Have webhooks told when 50, 80 or 100 % of a cap are spent; the ledger is summed where that may be."""
    for percent in MILESTONES:
        if 100 * (budget.committed_share or 0) < percent:
            return
        name = f"budget.spent:{percent}:{_caps(budget)}"
        if not is_news(budget.project_id, Told.BUDGET_SPENT, name):
            continue
        spend = spend_of(budget.project)
        if 100 * (budget.share(spend.questions, spend.money) or 0) < percent:
            return
        told = {
            "percent": percent,
            "spent": {"questions": spend.questions, "money": spend.money},
            "caps": {"questions": budget.questions, "money": budget.money},
            "currency": budget.currency,
        }
        note_once(budget.project_id, Told.BUDGET_SPENT, name, told, at=at)


def _caps(budget: Budget) -> str:
    """The caps, in the name of what is told once for them."""
    return f"{budget.questions}:{budget.money}"
