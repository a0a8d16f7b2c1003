"""The seam: what this site asks of a marketplace, and in which words it answers.

A provider is one module with one class that has these methods. It keeps nothing between two calls, writes
nothing to the database, and raises the exceptions below for what went wrong there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Protocol

from annotation_site.marketplaces.models import Action, Listing, Posting, Submission


class MarketplaceError(Exception):
    """Something went wrong at, or on the way to, a marketplace."""


class Unavailable(MarketplaceError):
    """It could not be asked, or not now: the same may be tried again later."""


class Refused(MarketplaceError):
    """It said no, and will say so again; the message is its own."""


class NotAnArrival(MarketplaceError):
    """An address without what the marketplace adds to it; workers read the message, in their language."""


class NotConfigured(MarketplaceError):
    """Settings are missing; the message says which."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the marketplace says in the address that it opens. Unsigned: nobody is paid on its word.

    Attributes
    ----------
    posting_id, submission_id, worker_id : the marketplace's; the last two are empty in a preview
    hand_in_to : where the page is handed in, for marketplaces that say it in the address
    """

    posting_id: str
    submission_id: str = ""
    worker_id: str = ""
    hand_in_to: str = ""

    @property
    def is_preview(self) -> bool:
        """Someone looks before they accept: nothing is opened, nothing can be handed in."""
        return not self.submission_id


@dataclass(frozen=True, slots=True)
class Seen:
    """A submission as the marketplace has it. `state` is a `Submission.State`."""

    submission_id: str
    worker_id: str
    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """Word that a marketplace sent: look at a posting, or take over the state of one of its submissions.

    Attributes
    ----------
    state : a `Submission.State`; empty where the marketplace is to be asked
    """

    posting_id: str
    submission_id: str = ""
    state: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WayOut:
    """How a worker goes back to the marketplace: a form with some fields, to post there or to get."""

    url: str
    method: str = "get"
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fee:
    """What the marketplace takes on top of a reward: a share of it, at least so much for each."""

    share: Decimal
    least: Decimal = Decimal(0)

    def on(self, reward: Decimal) -> Decimal:
        """For one reward; never rounded down to less than a cent."""
        return max(reward * self.share, self.least)


class Ending:
    """How a visit ended, which marketplaces that pay by code want to know."""

    DONE = "done"
    SCREENED_OUT = "screened-out"
    NOTHING_LEFT = "nothing-left"


class Marketplace(Protocol):
    """One provider in one environment.

    Attributes
    ----------
    title : its name for people
    framed : workers see our pages in a frame of its own page
    closed : why nobody can be found there any more, if that is so
    messages : whether it passes on what a worker is written
    least_reason : characters that a rejection has to say at least
    approves_after : it approves by itself what nobody decided on for so long; None: it never does
    """

    title: ClassVar[str]
    framed: ClassVar[bool]
    closed: ClassVar[str]
    messages: ClassVar[bool]
    least_reason: ClassVar[int]
    approves_after: ClassVar[timedelta | None]

    def missing(self) -> list[str]:
        """Names of the settings without which nothing can be asked of it."""

    def problems(self, listing: Listing) -> list[str]:
        """What has to be changed before it would take the listing; each may be shown."""

    def fee(self, listing: Listing) -> Fee:
        """What it takes on top of the reward."""

    def portions(self, listing: Listing) -> list[int]:
        """Places of each posting that the listing is divided into."""

    def tests_apart(self, listing: Listing) -> bool:
        """Whether the qualification is a posting of its own, and passing it opens the others."""

    def arrival(self, query: Mapping[str, str]) -> Arrival:
        """Read the address that it opened. Raises NotAnArrival."""

    def origins(self, listing: Listing) -> list[str]:
        """Origins that take the form of the way out and, where it is `framed`, may frame our pages."""

    def holds(self, submission: Submission) -> bool | None:
        """Whether its worker holds the place, by its own word; None where it tells that of nobody at work.

        Raises Unavailable, NotConfigured."""

    def way_out(self, submission: Submission, *, ending: str, hand_in_to: str) -> WayOut | None:
        """How the worker goes back; None where the place has to be returned there instead.

        Raises NotAnArrival where `hand_in_to` is nowhere of the marketplace's own."""

    def perform(self, action: Action) -> dict[str, str]:
        """Do it, or see that it is done: safe to repeat. Returns ids that it gave, for `Listing.remote` or,
        under "external_id", for the posting. Raises Refused, Unavailable, NotConfigured."""

    def submissions(self, posting: Posting) -> Iterable[Seen]:
        """Everything that it has of a posting, read page by page. Raises as `perform`."""

    def news(self) -> Iterable[News]:
        """What it sent word of since the last call; nothing where it sends none."""
