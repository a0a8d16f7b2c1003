"""How a listing goes at its marketplace, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from annotation_site.marketplaces.models import Listing, Submission


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told and what came back.

    Attributes
    ----------
    posted : of the postings, those that the marketplace has
    waiting, failed : things that it is still to be told, and that it refused
    submissions : how many are in each state
    """

    postings: int
    posted: int
    waiting: int
    failed: int
    submissions: Mapping[str, int]


def progress_of(listing: Listing) -> Progress:
    """Counted by index, state by state."""
    states = Submission.State.values
    return Progress(
        postings=listing.postings.count(),
        posted=listing.postings.exclude(external_id="").count(),
        waiting=listing.actions.waiting().count(),
        failed=listing.actions.filter(failed_at__isnull=False).count(),
        submissions={state: listing.submissions.filter(state=state).count() for state in states},
    )
