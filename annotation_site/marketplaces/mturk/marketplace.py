"""What Mechanical Turk does for a listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from annotation_site.marketplaces import public
from annotation_site.marketplaces.models import Action, Environment, Listing, Posting, Submission
from annotation_site.marketplaces.mturk import actions, clients, notices
from annotation_site.marketplaces.mturk.requirements import MOST, requirements
from annotation_site.marketplaces.seam import Arrival, Ending, Fee, News, NotAnArrival, Seen, WayOut

SUBMIT_HOSTS = {
    Environment.SANDBOX.value: "workersandbox.mturk.com",
    Environment.PRODUCTION.value: "www.mturk.com",
}
SUBMIT_PATH = "/mturk/externalSubmit"
PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
MOST_ASSIGNMENTS = 9
"""Of a HIT: from ten on the marketplace takes twice the fee."""
HITS_FOR_ONE = 100
"""One worker can take each HIT once: so many HITs before any of them holds more than one place."""
STATES = {
    "Submitted": Submission.State.HANDED_IN,
    "Approved": Submission.State.APPROVED,
    "Rejected": Submission.State.REJECTED,
}


class MTurk:
    """Mechanical Turk, its sandbox, or whatever else speaks its API at MTURK_ENDPOINT_URL."""

    title: ClassVar[str] = "Mechanical Turk"
    framed: ClassVar[bool] = True
    closed: ClassVar[str] = (
        "Amazon closed Mechanical Turk on 30 September 2026. This works with services that speak its API."
    )

    messages: ClassVar[bool] = True
    least_reason: ClassVar[int] = 1
    approves_after: ClassVar[timedelta | None] = timedelta(seconds=actions.APPROVED_AFTER)

    def __init__(self, environment: str) -> None:
        self.environment = environment

    def missing(self) -> list[str]:
        needed = ["PUBLIC_URL"]
        if self.environment == Environment.PRODUCTION:
            needed.append("MTURK_PRODUCTION")
        return [name for name in needed if not getattr(settings, name)]

    def problems(self, listing: Listing) -> list[str]:
        found = []
        if not public.is_secure():
            found.append("Mechanical Turk frames pages over https only: set PUBLIC_URL to an https address.")
        if len(requirements(listing, Posting.Purpose.WORK)) >= MOST:
            found.append(f"Mechanical Turk takes at most {MOST} requirements, our own test being one.")
        return found

    def fee(self, listing: Listing) -> Fee:  # noqa: ARG002
        """20 %, and at least a cent; `portions` keeps each HIT below the ten from which it would be 40 %."""
        return Fee(Decimal("0.20"), Decimal("0.01"))

    def portions(self, listing: Listing) -> list[int]:
        each = min(MOST_ASSIGNMENTS, -(-listing.places // HITS_FOR_ONE))
        full, rest = divmod(listing.places, each)
        return [each] * full + ([rest] if rest else [])

    def tests_apart(self, listing: Listing) -> bool:
        return bool(listing.wants.get("testers"))

    def arrival(self, query: Mapping[str, str]) -> Arrival:
        posting = query.get("hitId", "")
        if query.get("assignmentId", PREVIEW) == PREVIEW:
            return Arrival(posting)
        found = Arrival(
            posting, query["assignmentId"], query.get("workerId", ""), query.get("turkSubmitTo", "")
        )
        if not (found.posting_id and found.worker_id):
            raise NotAnArrival(_("Open this page from Mechanical Turk: its address lacks hitId or workerId."))
        return found

    def origins(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return self._origins()

    def holds(self, submission: Submission) -> bool | None:  # noqa: ARG002
        return None

    def way_out(self, submission: Submission, *, ending: str, hand_in_to: str) -> WayOut | None:
        origin = hand_in_to.rstrip("/")
        if origin not in self._origins():
            raise NotAnArrival(
                _("Work is not handed in to “%(site)s”.") % {"site": urlsplit(hand_in_to).netloc}
            )
        if ending != Ending.DONE:
            return None
        fields = {"assignmentId": submission.external_id, "ending": ending}
        return WayOut(f"{origin}{SUBMIT_PATH}", "post", fields)

    def perform(self, action: Action) -> dict[str, str]:
        with clients.told_apart():
            return actions.VERBS[action.kind](clients.requester(self.environment), action)

    def submissions(self, posting: Posting) -> Iterable[Seen]:
        with clients.told_apart():
            pages = clients.requester(self.environment).get_paginator("list_assignments_for_hit")
            for page in pages.paginate(HITId=posting.external_id, PaginationConfig={"PageSize": 100}):
                for found in page.get("Assignments", []):
                    state = STATES[found["AssignmentStatus"]]
                    yield Seen(found["AssignmentId"], found["WorkerId"], state, found.get("SubmitTime"))

    def news(self) -> Iterable[News]:
        return notices.received() if settings.MTURK_QUEUE_URL else ()

    def _origins(self) -> list[str]:
        if settings.MTURK_SUBMIT_ORIGINS:
            return [origin.rstrip("/") for origin in settings.MTURK_SUBMIT_ORIGINS]
        return [f"https://{SUBMIT_HOSTS[self.environment]}"]
