"""What work on a marketplace costs: in the ledger before it is told, and in line with what it then paid."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from annotation_site.budget import caps, ledger
from annotation_site.budget.terms import Partial, Terms
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.marketplaces.unconfirmed import discard_unconfirmed
from annotation_site.verification.models import Assignment

CENT = Decimal("0.01")
MOST_BONUS = Decimal(1000)
"""More than that is a slip of the finger."""

logger = logging.getLogger(__name__)


class BonusRefused(ValueError):
    """A bonus that cannot be paid; the message says why."""


def terms_of(listing: Listing) -> Terms:
    """How work at a listing's places is paid; in a sandbox it is not.

    The marketplace pays for no page that nobody hands in, so nothing is settled for what is left unfinished.
    """
    if not listing.pays:
        return Terms(partial=Partial.NOTHING)
    fee = marketplace_of(listing).fee(listing)
    return Terms(
        per_hit=Decimal(listing.reward), fee_share=fee.share, least_fee=fee.least, partial=Partial.NOTHING
    )


def settle_up(submission: Submission, money: Decimal, *, at: datetime, past_cap: bool = False) -> None:
    """Have the ledger say that a place is paid `money`, and the fee on it, whatever its page came to.

    The caller holds the submission's row; the page of work is over. Safe to repeat.

    Parameters
    ----------
    past_cap : the marketplace has paid, so no cap undoes it

    Raises
    ------
    BudgetSpent
        When the caps do not allow it: then nobody is to be approved yet.
    """
    listing, page = submission.listing, submission.assignment
    caps.budget_of(listing.project)
    ledger.correct(
        project_id=listing.project_id,
        reference=submission.reference,
        also=[] if page is None else [page.reference],
        due=terms_of(listing).bonus(money),
        payee=submission.worker_id,
        note=f"{submission.posting.get_purpose_display()}, {submission.get_state_display()}",
        at=at,
        past_cap=past_cap,
    )
    Submission.objects.filter(pk=submission.pk).update(booked_at=at)


def promised(submission: Submission) -> Decimal:
    """What the place pays when it is approved, without the fee; nothing in a sandbox."""
    listing = submission.listing
    return listing.reward_for(submission.posting.purpose) if listing.pays else Decimal(0)


def ask_to_pay(held: Submission, kind: Action.Kind, *, at: datetime) -> Action:
    """Have the marketplace pay what a place promises, by an approval or an override; in the ledger first.

    The caller holds the row, and has seen by it that this is to be paid. Safe to repeat.

    Raises
    ------
    BudgetSpent
        When the caps do not allow it; nobody is told.
    """
    settle_up(held, promised(held), at=at)
    about = {"submission": held, "worker": held.worker}
    return ask(listing=held.listing, kind=kind, reference=f"{kind.value}:{held.pk}", at=at, **about)


def book_ended(*, at: datetime, most: int = 1000) -> int:
    """Bring the ledger in line with places that have ended; how many there were. Safe to repeat.

    What the marketplace approved is spent, whoever approved it and whatever the caps say: the money is gone.
    What was given back or rejected is not, also where its page was finished. A page that is still open may
    come to something: its place is looked at when it is over. One that cannot be booked is logged and tried
    again the next time; it holds up no other.
    """
    ended = Submission.objects.unbooked().exclude(assignment__in=Assignment.objects.live())
    due = list(ended.order_by("pk").values_list("pk", flat=True)[:most])
    return sum(_booked(pk, at) for pk in due)


def _booked(pk: int, at: datetime) -> bool:
    try:
        return _book(pk, at)
    except Exception:  # Whatever is wrong with this one: the others are booked.
        logger.exception("submission:%s cannot be booked; run manage.py check_campaign on its project", pk)
        return False


@transaction.atomic
def _book(pk: int, at: datetime) -> bool:
    """One place, unless somebody did so meanwhile."""
    submission = Submission.objects.unbooked().held().filter(pk=pk).first()
    if submission is None:
        return False
    discard_unconfirmed(submission, at=at)
    is_paid = submission.state == Submission.State.APPROVED
    settle_up(submission, promised(submission) if is_paid else Decimal(0), at=at, past_cap=is_paid)
    return True


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

    A sandbox is told without a word in the ledger.

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
    if listing.pays:
        ledger.give_bonus(
            project=listing.project,
            money=money,
            reference=known[:80],
            note=noted(reason, by),
            payee=submission.worker_id,
            terms=terms_of(listing),
            at=at,
        )
    about = {"submission": submission, "worker": submission.worker, "money": money, "reason": reason}
    return ask(listing=listing, kind=Action.Kind.BONUS, reference=known, at=at, **about)
