"""What members earned, what they were paid, and what they are owed; paying people of one's own by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet, Sum

from annotation_site.budget import caps, ledger
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import paying
from annotation_site.marketplaces.models import Action, Environment, Payment, Submission
from annotation_site.marketplaces.paying import CENT, BonusRefused
from annotation_site.people.models import Membership, Worker
from annotation_site.people.standing import hold_membership

State = Submission.State
PAID = Environment.PRODUCTION
NOTHING = Decimal(0)
BY_LINK = "link"
"""The provider of people of one's own."""


class PaymentRefused(ValueError):
    """A payment that cannot be noted; the message says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """A worker's money on a project, without fees.

    Attributes
    ----------
    earned : by the ledger: work that is over, and bonuses
    paid : by hand or by the marketplace
    declined : rewards that the marketplace was told not to pay, and that are not among the earned
    """

    earned: Decimal = NOTHING
    paid: Decimal = NOTHING
    declined: Decimal = NOTHING

    @property
    def owed(self) -> Decimal:
        """In whole cents, none of it lost."""
        left = max(self.earned - self.paid, NOTHING)
        return left.quantize(CENT, ROUND_UP)


def accounts_of(project: Project, workers: Collection[int]) -> dict[int, Account]:
    """Worker's primary key -> account, for some workers; by index, whatever the project's size."""
    earned = ledger.earned_by(project, workers)
    paid: dict[int, Decimal] = defaultdict(Decimal)
    declined: dict[int, Decimal] = defaultdict(Decimal)
    for worker, money in _by_hand(project, workers) + _bonuses(project, workers):
        paid[worker] += money
    for worker, state, money in _rewards(project, workers):
        (paid if state == State.APPROVED else declined)[worker] += money
    return {pk: Account(earned.get(pk, NOTHING), paid[pk], declined[pk]) for pk in workers}


def account_of(membership: Membership) -> Account:
    """One member's account."""
    return accounts_of(membership.project, [membership.worker_id])[membership.worker_id]


def _by_hand(project: Project, workers: Collection[int]) -> list[tuple[int, Decimal]]:
    own = Payment.objects.filter(membership__project=project, membership__worker__in=workers).order_by()
    return list(own.values_list("membership__worker").annotate(money=Sum("money")))


def _bonuses(project: Project, workers: Collection[int]) -> list[tuple[int, Decimal]]:
    """Bonuses that a marketplace has paid."""
    told = Action.objects.filter(
        worker__in=workers, listing__project=project, listing__environment=PAID,
        kind=Action.Kind.BONUS, done_at__isnull=False,
    ).order_by()  # fmt: skip
    return list(told.values_list("worker").annotate(sum=Sum("money")))


def _rewards(project: Project, workers: Collection[int]) -> list[tuple[int, str, Decimal]]:
    """Rewards of submissions that were approved or rejected."""
    ended = Submission.objects.filter(
        worker__in=workers, listing__project=project, state__in=[State.APPROVED, State.REJECTED]
    ).order_by()
    counted = ended.values_list("worker", "state", "listing", "posting__purpose").annotate(n=Count("pk"))
    listings = {listing.pk: listing for listing in project.listings.filter(environment=PAID)}
    return [
        (worker, state, n * listings[listing].reward_for(purpose))
        for worker, state, listing, purpose, n in counted
        if listing in listings
    ]


def last_submission(membership: Membership, **wanted: str) -> Submission | None:
    """The latest place that a member had at a marketplace for this project."""
    own = Submission.objects.filter(worker=membership.worker_id, listing__project=membership.project_id)
    return own.filter(**wanted).select_related("listing__project", "worker").order_by("-pk").first()


def is_paid_by_hand(worker: Worker) -> bool:
    """Whether nobody else pays them."""
    return worker.provider == BY_LINK


@transaction.atomic
def note_payment(
    *, membership: Membership, money: Decimal, by: str, once: UUID, at: datetime, note: str = ""
) -> Payment:
    """Note that a member was paid, outside of this site. Noting the same form again changes nothing.

    Raises
    ------
    PaymentRefused
        When they are owed less, or a marketplace pays them.
    """
    caps.budget_of(membership.project)
    caps.locked_budget(membership.project_id)  # One payment at a time: what is owed is paid once.
    known = Payment.objects.filter(once=once).first()
    if known is not None:
        return known
    if not is_paid_by_hand(membership.worker):
        raise PaymentRefused(f"{membership.worker} is paid by the marketplace.")
    owed = account_of(membership).owed
    if not CENT <= money <= owed or money != money.quantize(CENT):
        raise PaymentRefused(f"{membership.worker} is owed {owed}: a payment is up to that, in whole cents.")
    return Payment.objects.create(
        membership=membership, money=money, by=by, once=once, note=note[:200], at=at
    )


@transaction.atomic
def give_member_bonus(
    *, membership: Membership, money: Decimal, reason: str, by: str, once: UUID, at: datetime
) -> None:
    """Give a member a bonus, once a form: by the marketplace they came from, else owed to them from now on.

    Raises
    ------
    BudgetSpent
        When the caps do not allow it.
    BonusRefused
        When no work of theirs was approved at the marketplace, or the sum or the reason make no sense.
    """
    if is_paid_by_hand(membership.worker):
        paying.check_bonus(money, reason)
        ledger.give_bonus(
            project=membership.project,
            money=money,
            reference=f"bonus:member:{membership.pk}:{once}",
            note=paying.noted(reason, by),
            payee=membership.worker_id,
            at=at,
        )
        return
    hold_membership(membership)  # One form at a time: work may be approved between two sendings of it.
    if _bonuses_asked(membership).filter(reference__endswith=f":{once}").exists():
        return
    approved = last_submission(membership, state=State.APPROVED)
    if approved is None:
        raise BonusRefused("A bonus is for work that was approved: wait until some is.")
    paying.give_bonus(submission=approved, money=money, reason=reason, reference=f"{once}", by=by, at=at)


def _bonuses_asked(membership: Membership) -> QuerySet[Action]:
    """Bonuses that a marketplace is, or was, to pay them."""
    return Action.objects.filter(
        worker=membership.worker_id, listing__project=membership.project_id, kind=Action.Kind.BONUS
    )
