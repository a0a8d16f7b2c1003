"""A marketplace in memory: what a provider does, without a network. For tests and rehearsals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from django.utils.translation import gettext as _

from annotation_site.marketplaces.models import Action, Listing, Posting, Submission
from annotation_site.marketplaces.seam import (
    Arrival,
    Ending,
    Fee,
    MarketplaceError,
    News,
    NotAnArrival,
    Refused,
    Seen,
    WayOut,
)

State = Submission.State
Identity = tuple[str, str]
"""Submission and worker, by their ids there."""


@dataclass
class InMemory:
    """A framed marketplace with a qualification of its own, as far as one process can see.

    Attributes
    ----------
    places : posting -> places
    states : posting -> identity -> state
    scores : worker -> score of our qualification
    bonuses : token -> money; a token pays once
    written : worker -> messages
    done : actions that changed something, by kind
    faults : raised by the next actions, each after it was carried out
    words : news to be read
    """

    title: ClassVar[str] = "Rehearsal"
    framed: ClassVar[bool] = True
    closed: ClassVar[str] = ""
    messages: ClassVar[bool] = True
    least_reason: ClassVar[int] = 1
    approves_after: ClassVar[timedelta | None] = timedelta(days=3)
    site: ClassVar[str] = "https://market.example"

    places: dict[str, int] = field(default_factory=dict)
    states: dict[str, dict[Identity, str]] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    bonuses: dict[str, Decimal] = field(default_factory=dict)
    written: dict[str, list[str]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    faults: list[MarketplaceError] = field(default_factory=list)
    words: list[News] = field(default_factory=list)

    def missing(self) -> list[str]:
        return []

    def problems(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return []

    def fee(self, listing: Listing) -> Fee:  # noqa: ARG002
        return Fee(Decimal("0.20"), Decimal("0.01"))

    def portions(self, listing: Listing) -> list[int]:
        return [1] * listing.places

    def tests_apart(self, listing: Listing) -> bool:
        return bool(listing.wants.get("testers"))

    def arrival(self, query: Mapping[str, str]) -> Arrival:
        if "posting" not in query:
            raise NotAnArrival(_("Open this page from the marketplace."))
        posting, submission, worker = (query.get(name, "") for name in ("posting", "submission", "worker"))
        return Arrival(posting, submission, worker, self.site)

    def origins(self, listing: Listing) -> list[str]:  # noqa: ARG002
        return [self.site]

    def holds(self, submission: Submission) -> bool | None:  # noqa: ARG002
        return None

    def way_out(self, submission: Submission, *, ending: str, hand_in_to: str) -> WayOut | None:
        if hand_in_to != self.site:
            raise NotAnArrival(_("Work is not handed in to “%(site)s”.") % {"site": hand_in_to})
        if ending == Ending.NOTHING_LEFT:
            return None
        return WayOut(f"{self.site}/done", "post", {"submission": submission.external_id, "ending": ending})

    def perform(self, action: Action) -> dict[str, str]:
        told = self._carry_out(action)
        if self.faults:
            raise self.faults.pop(0)
        return told

    def submissions(self, posting: Posting) -> Iterable[Seen]:
        for (submission, worker), state in self.states.get(posting.external_id, {}).items():
            yield Seen(submission, worker, state)

    def news(self) -> Iterable[News]:
        while self.words:
            yield self.words.pop(0)

    def hand_in(self, submission: Submission) -> None:
        """What the worker's browser does there at the end."""
        identity = (submission.external_id, submission.worker.external_id)
        self.states.setdefault(submission.posting.external_id, {})[identity] = State.HANDED_IN

    def _carry_out(self, action: Action) -> dict[str, str]:
        match action.kind:
            case Action.Kind.PREPARE:
                return {"qualification": "Q1"} if self.tests_apart(action.listing) else {}
            case Action.Kind.POST:
                return self._post(action)
            case Action.Kind.GRANT | Action.Kind.REVOKE:
                self._qualify(action)
            case Action.Kind.BONUS:
                self._change(action, action.money != self.bonuses.get(str(action.token)))
                self.bonuses[str(action.token)] = action.money or Decimal(0)
            case Action.Kind.MESSAGE:
                assert action.worker is not None
                self.written.setdefault(action.worker.external_id, []).append(action.reason)
                self._change(action, is_new=True)
            case Action.Kind.APPROVE | Action.Kind.OVERRIDE:
                self._judge(action, State.APPROVED)
            case Action.Kind.REJECT:
                self._judge(action, State.REJECTED)
            case _:
                self.done[action.kind] += 1
        return {}

    def _post(self, action: Action) -> dict[str, str]:
        assert action.posting is not None
        known = f"P{action.token.hex[:12]}"
        self._change(action, known not in self.places)
        self.places[known] = action.posting.places
        return {"external_id": known}

    def _qualify(self, action: Action) -> None:
        assert action.worker is not None
        worker = action.worker.external_id
        if action.kind == Action.Kind.REVOKE:
            self._change(action, self.scores.pop(worker, None) is not None)
        else:
            self._change(action, self.scores.get(worker) != action.score)
            self.scores[worker] = action.score or 0

    def _judge(self, action: Action, state: str) -> None:
        assert action.submission is not None
        mine = action.submission
        identity, there = (mine.external_id, mine.worker.external_id), self.states[mine.posting.external_id]
        if identity not in there:
            raise Refused("Nobody handed that in.")
        self._change(action, there[identity] != state)
        there[identity] = state

    def _change(self, action: Action, is_new: bool) -> None:
        self.done[action.kind] += is_new
