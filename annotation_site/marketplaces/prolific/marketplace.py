"""What Prolific does for a listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from annotation_site.marketplaces import public
from annotation_site.marketplaces.models import Action, Environment, Listing, Posting, Submission
from annotation_site.marketplaces.prolific import actions, calls
from annotation_site.marketplaces.prolific.codes import code
from annotation_site.marketplaces.seam import Arrival, Fee, News, NotAnArrival, Refused, Seen, WayOut

STATES = {
    "RESERVED": Submission.State.ARRIVED,
    "ACTIVE": Submission.State.ARRIVED,
    "AWAITING REVIEW": Submission.State.HANDED_IN,
    "APPROVED": Submission.State.APPROVED,
    "PARTIALLY APPROVED": Submission.State.APPROVED,
    "REJECTED": Submission.State.REJECTED,
    "RETURNED": Submission.State.RETURNED,
    "TIMED-OUT": Submission.State.RETURNED,
    "SCREENED OUT": Submission.State.RETURNED,
}
FEE = Decimal("0.428")
"""For companies; Prolific tells others theirs (`fee_share`)."""


class Prolific:
    """One workspace of Prolific. Its sandbox is a study that stays a draft."""

    title: ClassVar[str] = "Prolific"
    framed: ClassVar[bool] = False
    closed: ClassVar[str] = ""
    messages: ClassVar[bool] = True
    least_reason: ClassVar[int] = actions.LEAST_REJECTION
    approves_after: ClassVar[timedelta | None] = timedelta(days=21)

    def __init__(self, environment: str) -> None:
        self.environment = environment

    def missing(self) -> list[str]:
        needed = ["PUBLIC_URL", "PROLIFIC_TOKEN"]
        if self.environment == Environment.PRODUCTION:
            needed.append("PROLIFIC_PRODUCTION")
        return [name for name in needed if not getattr(settings, name)]

    def problems(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return [] if public.is_secure() else ["Prolific wants an https address: set PUBLIC_URL to one."]

    def fee(self, listing: Listing) -> Fee:
        return Fee(Decimal(str(listing.wants.get("fee_share", FEE))))

    def portions(self, listing: Listing) -> list[int]:
        return [listing.places]

    def tests_apart(self, listing: Listing) -> bool:  # noqa: ARG002
        return False

    def arrival(self, query: Mapping[str, str]) -> Arrival:
        found = [query.get(name, "") for name in ("STUDY_ID", "SESSION_ID", "PROLIFIC_PID")]
        if not all(found):
            raise NotAnArrival(_("Open this study from Prolific: its address lacks some of your ids."))
        return Arrival(*found)

    def origins(self, listing: Listing) -> list[str]:  # noqa: ARG002
        there = urlsplit(settings.PROLIFIC_COMPLETE_URL)
        return [f"{there.scheme}://{there.netloc}"]

    def holds(self, submission: Submission) -> bool | None:
        if self.environment == Environment.SANDBOX:
            return None  # A draft is previewed with ids of nobody.
        try:
            found = calls.submission(submission.external_id)
        except Refused:
            return False
        known = (found.get("participant_id", found.get("participant")), found.get("study_id"))
        is_theirs = known == (submission.worker.external_id, submission.posting.external_id)
        return is_theirs and _state(found) == Submission.State.ARRIVED

    def way_out(self, submission: Submission, *, ending: str, hand_in_to: str) -> WayOut:  # noqa: ARG002
        return WayOut(settings.PROLIFIC_COMPLETE_URL, "get", {"cc": code(submission.listing, ending)})

    def perform(self, action: Action) -> dict[str, str]:
        return actions.VERBS[action.kind](action)

    def submissions(self, posting: Posting) -> Iterable[Seen]:
        for found in calls.pages(f"studies/{posting.external_id}/submissions/"):
            state = _state(found)
            if state is not None:
                worker = found.get("participant_id", found.get("participant"))
                yield Seen(str(found["id"]), str(worker), state)

    def news(self) -> Iterable[News]:
        return ()


def _state(found: Mapping[str, Any]) -> str | None:
    """How a submission of Prolific stands, in this site's words; None for what has no word here."""
    return STATES.get(str(found["status"]).replace("_", " ").upper())
