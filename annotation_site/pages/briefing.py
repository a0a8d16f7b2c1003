"""What the landing page tells a worker before they start."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Category, Project
from annotation_site.people.models import Membership
from annotation_site.verification.models import Assignment, Judgment
from annotation_site.verification.paces import seconds_a_mask

Pay = tuple[Decimal, str]
"""Money and its currency."""


@dataclass(frozen=True, slots=True)
class Briefing:
    """The task for one worker.

    Attributes
    ----------
    minutes : that a page of work takes, about
    pay : for a page of work, or for the place at a marketplace; None where the project pays otherwise, or not
    answered : judgments of this worker on the project, also those that stopped counting: else what is left
        would be the number of their answers to gold
    left : questions left on the page that was begun; None when none was
    """

    membership: Membership
    categories: list[Category]
    minutes: int
    pay: Pay | None
    answered: int
    left: int | None

    @property
    def project(self) -> Project:
        return self.membership.project

    @classmethod
    def of(cls, membership: Membership, *, promised: Pay | None = None) -> Self:
        """Gather it from the facts; `promised` is the pay that a marketplace told of."""
        project = membership.project
        given = Judgment.objects.given().filter(worker=membership.worker, item__assignment__project=project)
        seconds = seconds_a_mask(project)
        begun = Assignment.objects.live().filter(project=project, worker=membership.worker).first()
        return cls(
            membership=membership,
            categories=list(project.categories.all()),
            minutes=max(1, round(project.hit_size * seconds / 60)),
            pay=promised or _pay(project, seconds),
            answered=given.count(),
            left=begun.items.unanswered().count() if begun else None,
        )


def _pay(project: Project, seconds: float) -> Pay | None:
    budget = Budget.objects.filter(project=project).first()
    pay = budget and budget.terms.expected(project.hit_size, seconds=seconds)
    if not budget or not pay:
        return None
    return pay.quantize(Decimal("0.01")), budget.currency
