"""Projects that are offered on a marketplace, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import visits
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.listings import draft_listing, publish
from annotation_site.marketplaces.models import Listing, Posting, Submission
from annotation_site.marketplaces.outbox import deliver_due
from annotation_site.marketplaces.seam import Arrival, Seen
from annotation_site.marketplaces.visits import Visit
from annotation_site.verification.answering import record_answer
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment, Item
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.campaigns import items, opened, project_with_tree, truth

TERMS: dict[str, Any] = {
    "title": "Does the outline fit?",
    "description": "Say yes or no to outlines of objects in photos.",
    "keywords": "image, outline",
    "reward": Decimal("0.50"),
    "places": 3,
}


def open_project(**parameters: Any) -> Project:
    """A project that asks, with money to pay for it."""
    project = opened(project_with_tree([True] * 64, hit_size=5, **parameters))
    set_caps(project=project, questions=None, money=Decimal(100))
    return project


def drafted(
    provider: str, project: Project | None = None, environment: str | None = None, **terms: Any
) -> Listing:
    """A draft: where money is real for a rehearsal in memory, in the sandbox elsewhere."""
    return draft_listing(
        project=project or open_project(),
        provider=provider,
        environment=environment or ("sandbox" if provider in ("mturk", "prolific") else "production"),
        at=NOON,
        terms={**TERMS, **terms},
    )


def published(provider: str, project: Project | None = None, **terms: Any) -> Listing:
    """A listing that the marketplace has."""
    listing = publish(listing=drafted(provider, project, **terms), at=NOON)
    deliver_due(clock=frozen(NOON))
    listing.refresh_from_db()
    return listing


def posting_of(listing: Listing, purpose: str = "work") -> Posting:
    return listing.postings.filter(purpose=purpose).order_by("pk").first()


def come(
    listing: Listing,
    *,
    worker: str = "W1",
    place: str = "S1",
    hand_in_to: str = InMemory.site,
    at: datetime = NOON,
) -> Visit:
    """Somebody accepts a place of a rehearsal in memory."""
    arrival = Arrival(posting_of(listing).external_id, place, worker, hand_in_to)
    return visits.arrive(listing=listing, arrival=arrival, at=at)


def work_through(visit: Visit) -> None:
    """Open the visit's page of work and answer all of it."""
    begin_work(visit, answers=None)


def begin_work(visit: Visit, *, answers: int | None) -> Assignment:
    """Open the visit's page of work and answer so many questions of it; None: all."""
    assignment = claim_hit(membership=visit.membership, at=NOON, terms=visit.terms)
    visits.bind(visit=visit, assignment=assignment)
    say(assignment, items(assignment)[:answers])
    return assignment


def say(assignment: Assignment, about: Iterable[Item]) -> None:
    """What is right, of some items of a page."""
    for item in about:
        record_answer(
            item_key=item.key, assignment_id=assignment.pk, says=truth(item), elapsed_ms=900, at=NOON
        )


def again(visit: Visit) -> Visit:
    """The visit as the next request finds it."""
    return visits.visit_of(visit.token)


def submission() -> Submission:
    return Submission.objects.select_related("listing", "posting", "worker", "assignment").get()


def seen(visit: Visit, state: str) -> Seen:
    """What the marketplace says of a visit's place."""
    return Seen(visit.submission.external_id, visit.submission.worker.external_id, state)
