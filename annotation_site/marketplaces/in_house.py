"""People you know: personal links, no marketplace. Nothing has to be told to anyone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from django.utils.translation import gettext as _

from annotation_site.marketplaces.models import Action, Listing, Posting, Submission
from annotation_site.marketplaces.seam import Arrival, Fee, News, NotAnArrival, Seen, WayOut


class InHouse:
    """The provider of those who come by their own link. Pay is paid by hand, and noted."""

    title: ClassVar[str] = "In-house"
    framed: ClassVar[bool] = False
    closed: ClassVar[str] = ""
    messages: ClassVar[bool] = False
    least_reason: ClassVar[int] = 1
    approves_after: ClassVar[timedelta | None] = None

    def __init__(self, environment: str) -> None:
        self.environment = environment

    def missing(self) -> list[str]:
        return []

    def problems(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return []

    def fee(self, listing: Listing) -> Fee:  # noqa: ARG002
        return Fee(Decimal(0))

    def portions(self, listing: Listing) -> list[int]:  # noqa: ARG002
        return []

    def tests_apart(self, listing: Listing) -> bool:  # noqa: ARG002
        return False

    def arrival(self, query: Mapping[str, str]) -> Arrival:  # noqa: ARG002
        raise NotAnArrival(_("Come by your personal link."))

    def origins(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return []

    def holds(self, submission: Submission) -> bool | None:  # noqa: ARG002
        return None

    def way_out(self, submission: Submission, *, ending: str, hand_in_to: str) -> WayOut | None:  # noqa: ARG002
        return None

    def perform(self, action: Action) -> dict[str, str]:  # noqa: ARG002
        return {}

    def submissions(self, posting: Posting) -> Iterable[Seen]:  # noqa: ARG002
        return ()

    def news(self) -> Iterable[News]:
        return ()
