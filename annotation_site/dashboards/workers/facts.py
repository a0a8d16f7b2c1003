"""Everything that the page on one worker says beside their answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet

from annotation_site.budget.caps import budget_of
from annotation_site.marketplaces.accounts import Account, account_of, is_paid_by_hand
from annotation_site.marketplaces.messaging import Route, route_to
from annotation_site.marketplaces.models import Contact, Message, Payment, Submission
from annotation_site.people.models import Membership, StandingChange, Worker, WorkRecord
from annotation_site.verification.keeping import kept_record

SHOWN = 50
"""Changes, payments and messages of a page, the latest first."""


@dataclass(frozen=True, eq=False)
class WorkerFacts:
    """One member."""

    member: Membership

    @cached_property
    def record(self) -> WorkRecord:
        """What their work amounts to."""
        return kept_record(self.member)

    @cached_property
    def changes(self) -> QuerySet[StandingChange]:
        """How their standing changed and why, and what was noted of them."""
        return self.member.changes.order_by("-at", "-pk")[:SHOWN]

    @cached_property
    def account(self) -> Account:
        return account_of(self.member)

    @cached_property
    def currency(self) -> str:
        return budget_of(self.member.project).currency

    @property
    def is_simulated(self) -> bool:
        return self.member.worker.provider == Worker.SIMULATED

    @property
    def is_paid_by_hand(self) -> bool:
        return is_paid_by_hand(self.member.worker)

    @cached_property
    def payments(self) -> QuerySet[Payment]:
        return self.member.payments.order_by("-pk")[:SHOWN]

    @cached_property
    def waiting(self) -> int:
        """Their submissions that wait for approval."""
        return self._submissions.filter(state=Submission.State.HANDED_IN).count()

    @cached_property
    def has_approved(self) -> bool:
        """Whether a bonus can go to them through the marketplace."""
        return self._submissions.filter(state=Submission.State.APPROVED).exists()

    @property
    def _submissions(self) -> QuerySet[Submission]:
        return Submission.objects.filter(
            worker=self.member.worker_id, listing__project=self.member.project_id
        )

    @cached_property
    def messages(self) -> QuerySet[Message]:
        return self.member.messages.select_related("action").order_by("-pk")[:SHOWN]

    @cached_property
    def route(self) -> Route:
        """How they are written to."""
        return route_to(self.member)

    @cached_property
    def email(self) -> str:
        found = Contact.objects.filter(worker=self.member.worker_id).first()
        return found.email if found else ""
