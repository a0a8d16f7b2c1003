"""On which terms marketplaces will pay what is still to be asked: what plans and forecasts reckon with."""

from __future__ import annotations

from annotation_site.budget.models import Budget
from annotation_site.budget.pay import Pay
from annotation_site.marketplaces.models import Environment, Listing
from annotation_site.marketplaces.paying import terms_of
from annotation_site.marketplaces.providers import PROVIDERS, marketplace_of

LIKELY = (Listing.State.PUBLISHED, Listing.State.DRAFT, Listing.State.ENDED)
"""Whose terms count before others'; after all have ended, those of the last one."""


def offered_pay(budget: Budget) -> Pay | None:
    """The terms of the listing that pays most of those that count; None where none pays real money.

    A listing in another currency than the budget's cannot be published, so it does not count.
    """
    there = Listing.objects.filter(
        project=budget.project_id,
        environment=Environment.PRODUCTION,
        currency=budget.currency,
        provider__in=PROVIDERS,
    )
    found = min(there, key=_after, default=None)
    return None if found is None else Pay(terms_of(found), found.currency, marketplace_of(found).title)


def _after(listing: Listing) -> tuple[object, ...]:
    """Sorts the one that counts to the front."""
    place = LIKELY.index(Listing.State(listing.state))
    if listing.state == Listing.State.ENDED:
        return place, -listing.pk
    return place, -terms_of(listing).at_most(1).total, listing.pk
