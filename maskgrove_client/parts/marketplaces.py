"""Listings on marketplaces, and who came by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Action, Listing, Progress, Submission


class Marketplaces(ProjectScope):
    def listings(self) -> Iterator[Listing]:
        return self._pages("listings")

    def draft_listing(self, provider: str, **terms: Any) -> Listing:
        """Keep the terms of a listing; the reply tells what it costs and what stands in its way."""
        made: Listing = self._send("POST", "listings", provider=provider, **terms)
        return made

    def publish_listing(self, listing: int) -> Listing:
        found: Listing = self._send("POST", f"listings/{listing}/publish")
        return found

    def end_listing(self, listing: int) -> Listing:
        """Offer nothing more; whoever holds a place goes on, and is paid."""
        found: Listing = self._send("POST", f"listings/{listing}/end")
        return found

    def progress(self, listing: int) -> Progress:
        """How far a listing is, in numbers."""
        found: Progress = self._get(f"listings/{listing}/progress")
        return found

    def submissions(self, listing: int, *, state: str | None = None) -> Iterator[Submission]:
        """Who came; `state="unexplained"` are those handed in without the work, or before its end."""
        return self._pages(f"listings/{listing}/submissions", state=state)

    def approve_submission(self, submission: int) -> Submission:
        """Have the marketplace pay for what was handed in, also after it was rejected."""
        found: Submission = self._send("POST", f"submissions/{submission}/approve")
        return found

    def reject_submission(self, submission: int, *, reason: str) -> Submission:
        """Have the marketplace pay nothing; the worker reads the reason."""
        found: Submission = self._send("POST", f"submissions/{submission}/reject", reason=reason)
        return found

    def ask_to_return(self, submission: int) -> Submission:
        """Ask the worker to give the place back."""
        found: Submission = self._send("POST", f"submissions/{submission}/return")
        return found

    def give_submission_bonus(self, submission: int, money: str, *, reason: str) -> Submission:
        found: Submission = self._send("POST", f"submissions/{submission}/bonus", money=money, reason=reason)
        return found

    def actions(
        self, listing: int, *, state: Literal["waiting", "done", "failed"] | None = None
    ) -> Iterator[Action]:
        """What the marketplace is told."""
        return self._pages(f"listings/{listing}/actions", state=state)

    def retry_action(self, action: int) -> Action:
        """Tell the marketplace again what it refused."""
        found: Action = self._send("POST", f"actions/{action}/retry")
        return found
