"""What work on a marketplace costs, in the ledger before the marketplace is told."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from annotation_site.budget import caps, ledger
from annotation_site.budget.models import LedgerEntry
from annotation_site.budget.terms import Partial
from annotation_site.marketplaces.models import Action, Listing, Posting, Submission
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.providers import marketplace_of

CENT = Decimal("0.01")
MOST_BONUS = Decimal(1000)
"""More than that is a slip of the finger."""


class BonusRefused(ValueError):
    """A bonus that cannot be paid; the message says why."""


def agree_on_pay(listing: Listing) -> None:
    """From now on a page of work of the project costs what the listing promises, with the fee.

    It is reserved when a place is opened: until then a place costs nothing. The marketplace pays for no page
    that nobody hands in, so nothing is settled for what is left unfinished.

    Raises
    ------
    CapBelowSpend, InvalidTerms
        As `caps.set_caps`.
    """
    budget, fee = caps.budget_of(listing.project), marketplace_of(listing).fee(listing)
    caps.set_caps(
        project=listing.project,
        questions=budget.questions,
        money=budget.money,
        currency=listing.currency,
        pay_per_hit=listing.reward,
        fee_share=fee.share,
        least_fee=fee.least,
        unfinished=Partial.NOTHING,
    )


def pay_in_full(submission: Submission, *, at: datetime) -> None:
    """Spend what an approval pays beyond what is in the ledger: for a test, or for an unfinished page.

    Raises
    ------
    BudgetSpent
        When the caps do not allow it: then nobody is to be approved yet.
    """
    owed = _promised(submission) - _settled(submission)
    if owed <= 0:
        return
    is_test = submission.posting.purpose == Posting.Purpose.TEST
    note = "A test" if is_test else "The rest of an unfinished page"
    ledger.give_bonus(
        project=submission.listing.project,
        money=owed,
        reference=submission.reference,
        note=note,
        payee=submission.worker_id,
        at=at,
    )


def _promised(submission: Submission) -> Decimal:
    if submission.posting.purpose == Posting.Purpose.TEST:
        return Decimal(str(submission.listing.wants.get("test_reward", 0)))
    return submission.listing.reward


def _settled(submission: Submission) -> Decimal:
    """Pay, without fees, that the ledger holds for the page of work; what is only reserved is not spent."""
    if submission.assignment is None:
        return Decimal(0)
    entries = LedgerEntry.objects.filter(
        kind=LedgerEntry.Kind.SETTLE, reference=submission.assignment.reference
    )
    return Decimal(entries.aggregate(pay=Sum(F("money") - F("fee"), default=Decimal(0)))["pay"])


def noted(reason: str, by: str) -> str:
    """A reason and whose it is, as the ledger keeps them."""
    return f"{by}: {reason}"[:200] if by else reason[:200]


def check_bonus(money: Decimal, reason: str) -> None:
    """Refuse a sum that is a slip of the finger, and one that nobody says the reason of.

    Raises
    ------
    BonusRefused
    """
    if not CENT <= money <= MOST_BONUS or money != money.quantize(CENT):
        raise BonusRefused(f"A bonus is from {CENT} to {MOST_BONUS}, in whole cents.")
    if not reason.strip():
        raise BonusRefused("Say what the bonus is for: the worker reads it.")


@transaction.atomic
def give_bonus(
    *, submission: Submission, money: Decimal, reason: str, reference: str, at: datetime, by: str = ""
) -> Action:
    """Pay a worker more: into the ledger first, from there to the marketplace. A reference is paid once.

    Parameters
    ----------
    by : who gives it; the ledger keeps that beside the reason

    Raises
    ------
    BudgetSpent
        When the caps do not allow it.
    BonusRefused
        When nobody is to be paid, or nothing is said.
    """
    check_bonus(money, reason)
    if submission.state != Submission.State.APPROVED:
        raise BonusRefused("A bonus is for work that was approved: wait until it is.")
    known = f"bonus:{submission.pk}:{reference}"
    listing = submission.listing
    ledger.give_bonus(
        project=listing.project,
        money=money,
        reference=known[:80],
        note=noted(reason, by),
        payee=submission.worker_id,
        at=at,
    )
    about = {"submission": submission, "worker": submission.worker, "money": money, "reason": reason}
    return ask(listing=listing, kind=Action.Kind.BONUS, reference=known, at=at, **about)
