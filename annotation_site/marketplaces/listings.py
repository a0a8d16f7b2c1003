"""Offering a project on a marketplace: drafted, published place by place, ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, Sum

from annotation_site.budget import caps, ledger
from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project
from annotation_site.catalog.rounds import current_round
from annotation_site.marketplaces.models import Action, Environment, Listing, Posting, Submission
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.paying import terms_of
from annotation_site.marketplaces.providers import marketplace, marketplace_of
from annotation_site.verification.models import Cluster

State = Submission.State
TERMS = ("title", "description", "keywords", "reward", "currency", "places", "minutes", "wants")
"""What a listing says; the model's fields tell what each means."""
TEST_PLACES = 9
"""Of one posting of the qualification test."""


class ListingRefused(ValueError):
    """A listing that cannot be made or published as it is; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a listing costs when every place is taken: rewards, the marketplace's fees, and both."""

    rewards: Decimal
    fees: Decimal
    tests: Decimal

    @property
    def total(self) -> Decimal:
        return self.rewards + self.fees + self.tests


def estimate(listing: Listing) -> Estimate:
    """Money for all places of a listing, and for those of its test."""
    fee = marketplace_of(listing).fee(listing)
    testers, reward = listing.wants.get("testers") or 0, listing.reward_for(Posting.Purpose.TEST)
    tests = testers * (reward + fee.on(reward)) if testers else Decimal(0)
    return Estimate(listing.reward * listing.places, fee.on(listing.reward) * listing.places, tests)


def draft_listing(
    *, project: Project, provider: str, environment: str, at: datetime, terms: Mapping[str, Any]
) -> Listing:
    """The draft of a project's listing at a provider, with new terms; made when there is none.

    Raises
    ------
    ListingRefused
        When the terms are not valid, or a listing there is published already.
    UnknownProvider
    """
    marketplace(provider, environment)
    there = Listing.objects.filter(project=project, provider=provider, environment=environment)
    listing = there.exclude(state=Listing.State.ENDED).first() or Listing(
        project=project, provider=provider, environment=environment, created_at=at
    )
    if listing.state == Listing.State.PUBLISHED:
        raise ListingRefused("This listing is published: end it before you change its terms.")
    for name in TERMS:
        if name in terms:
            setattr(listing, name, terms[name])
    _check(listing)
    listing.save()
    return listing


def _check(listing: Listing) -> None:
    try:
        listing.full_clean(exclude=["project"])
    except ValidationError as error:
        told = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        raise ListingRefused(f"This cannot be offered. {told}") from error


def obstacles(listing: Listing, *, budget: Budget | None = None) -> list[str]:
    """Why a listing cannot be published now; empty when it can.

    Parameters
    ----------
    budget : its project's, where it is at hand
    """
    market = marketplace_of(listing)
    found = [f"Set {name}." for name in market.missing()] + market.problems(listing)
    if listing.project.state != Project.State.OPEN:
        found.append("Open the project to workers first: nobody would find a question.")
    if listing.pays:
        found += _unpayable(listing, budget or caps.budget_of(listing.project))
    return found


def _unpayable(listing: Listing, budget: Budget) -> list[str]:
    found = []
    if listing.currency != budget.currency:
        found.append(f"The budget is in {budget.currency}, this pays in {listing.currency}: use one of them.")
    if budget.money is not None:
        cost, left = estimate(listing).total, budget.money - budget.committed_money - _offered_beside(listing)
        if cost > left:
            found.append(f"All places cost {cost:.2f}, and the budget has {left:.2f} left.")
    return found


def _offered_beside(listing: Listing) -> Decimal:
    """What the places cost that other listings of the project offer and nobody took, those of tests too.

    Taken is what was handed in, and what is reserved for: nothing is for who only came, or let their page go.
    """
    held = Q(state=State.ARRIVED, assignment__isnull=False, assignment__released_at__isnull=True)
    taken = held | Q(state__in=[State.HANDED_IN, State.APPROVED, State.REJECTED])
    live = Listing.objects.filter(project=listing.project_id, state=Listing.State.PUBLISHED)
    cost = Decimal(0)
    for other in live.filter(environment=Environment.PRODUCTION).exclude(pk=listing.pk):
        offered = other.postings.order_by().values_list("purpose").annotate(Sum("places"))
        for purpose, places in offered:
            free = places - other.submissions.filter(taken, posting__purpose=purpose).count()
            cost += max(free, 0) * terms_of(other).bonus(other.reward_for(purpose)).total
    return cost


@transaction.atomic
def publish(*, listing: Listing, at: datetime) -> Listing:
    """Write down that a listing is to be posted; workers tell the marketplace. Safe to repeat.

    Raises
    ------
    ListingRefused
        When something stands in the way, or it has ended.
    """
    held = Listing.objects.select_for_update(no_key=True).get(pk=listing.pk)
    if held.state == Listing.State.PUBLISHED:
        return held
    if held.state == Listing.State.ENDED:
        raise ListingRefused("This listing has ended: make a new one.")
    if found := obstacles(held):
        raise ListingRefused(" ".join(found))
    held.state, held.published_at = Listing.State.PUBLISHED, at
    held.save(update_fields=["state", "published_at"])
    ask(listing=held, kind=Action.Kind.PREPARE, reference="prepare", at=at)
    for purpose, portions in _portions(held).items():
        for number, places in enumerate(portions, start=1):
            posting = held.postings.create(purpose=purpose, number=number, places=places)
            reference = f"post:{posting.pk}"
            ask(listing=held, kind=Action.Kind.POST, reference=reference, at=at, posting=posting)
    return held


def _portions(listing: Listing) -> dict[str, list[int]]:
    market = marketplace_of(listing)
    portions = {Posting.Purpose.WORK.value: market.portions(listing)}
    if market.tests_apart(listing):
        full, rest = divmod(int(listing.wants["testers"]), TEST_PLACES)
        portions[Posting.Purpose.TEST.value] = [TEST_PLACES] * full + ([rest] if rest else [])
    return portions


def end_finished(*, at: datetime) -> int:
    """End the listings of projects that have nothing left to ask, or to pay with; how many there were."""
    running = Listing.objects.filter(state=Listing.State.PUBLISHED).select_related("project")
    over = [listing for listing in running.order_by("pk") if _is_finished(listing)]
    for listing in over:
        end(listing=listing, at=at)
    return len(over)


def _is_finished(listing: Listing) -> bool:
    """Whoever took a place would have to return it, and no further round begins by itself."""
    project = listing.project
    if ledger.affordable(caps.budget_of(project), at_most=1, terms=terms_of(listing)) == 0:
        return True
    asks = Cluster.objects.filter(tree__round__project=project, is_open=True).exists()
    return not asks and current_round(project).number >= project.most_rounds


@transaction.atomic
def end(*, listing: Listing, at: datetime) -> None:
    """Offer nothing more; whoever holds a place goes on, is approved and paid. Safe to repeat."""
    ended = Listing.objects.exclude(state=Listing.State.ENDED).filter(pk=listing.pk)
    if ended.update(state=Listing.State.ENDED, ended_at=at) != 1:
        return
    for posting in listing.postings.order_by("pk"):
        reference = f"withdraw:{posting.pk}"
        ask(listing=listing, kind=Action.Kind.WITHDRAW, reference=reference, at=at, posting=posting)
    listing.refresh_from_db()
