"""How the work to come is paid: as the budget says; where that pays nothing, as others offer it.

Marketplaces pay by the page, on terms that a budget does not hold. They lie above it, so they tell it whom
to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from annotation_site.budget.models import Budget
from annotation_site.budget.terms import Terms
from annotation_site.catalog.models import Project


@dataclass(frozen=True, slots=True)
class Pay:
    """What a HIT that opens later is to be paid.

    Attributes
    ----------
    currency : three letters
    on : the marketplace whose terms these are, for people; empty where they are the budget's
    """

    terms: Terms
    currency: str
    on: str = ""


Offers = Callable[[Budget], Pay | None]
"""The terms on which a budget's project is offered elsewhere, in the budget's currency; None where not."""

_asked: list[Offers] = []


def ask_of_pay(offers: Offers) -> None:
    """Have `pay_of` ask there where a budget pays nothing; once for a process. Safe to repeat."""
    if offers not in _asked:
        _asked.append(offers)


def pay_of(project: Project) -> Pay:
    """How work to come is paid on a project; without a budget or an offer it is not."""
    budget = Budget.objects.filter(project=project).first() or Budget(project=project)
    own = Pay(budget.terms, budget.currency)
    if own.terms.at_most(project.hit_size).total:
        return own
    return next((pay for offers in _asked if (pay := offers(budget)) is not None), own)
