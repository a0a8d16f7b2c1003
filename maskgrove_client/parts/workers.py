"""Who answers: invited, watched, paid, written to, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import (
    Account,
    Answer,
    Code,
    Course,
    Message,
    Payment,
    Resting,
    Worker,
    WorkerFacts,
)


class Workers(ProjectScope):
    def workers(
        self,
        standing: str | None = None,
        *,
        provider: str | None = None,
        name: str | None = None,
        order: str | None = None,
    ) -> Iterator[Worker]:
        """Who answers, the newest first or in another order: `order="-gold"` begins with the best by gold."""
        return self._pages("workers", standing=standing, provider=provider, name=name, order=order)

    def worker(self, worker: int) -> WorkerFacts:
        found: WorkerFacts = self._get(f"workers/{worker}")
        return found

    def invite_worker(self, name: str, **options: Any) -> WorkerFacts:
        """Somebody of your own team; their personal link is in the reply."""
        made: WorkerFacts = self._send("POST", "workers", name=name, **options)
        return made

    def stop_worker(self, worker: int, *, reason: str, **options: Any) -> WorkerFacts:
        found: WorkerFacts = self._send("POST", f"workers/{worker}/stop", reason=reason, **options)
        return found

    def reinstate_worker(self, worker: int, *, reason: str, **options: Any) -> WorkerFacts:
        found: WorkerFacts = self._send("POST", f"workers/{worker}/reinstate", reason=reason, **options)
        return found

    def note_worker(self, worker: int, text: str) -> WorkerFacts:
        """Note something of a worker, whose standing stays."""
        found: WorkerFacts = self._send("POST", f"workers/{worker}/note", text=text)
        return found

    def foresee_stop(self, worker: int, *, since: str | None = None, weigh: bool = False) -> Resting:
        """What rests on a worker's answers; with `weigh` also what would fall, which may take seconds."""
        found: Resting = self._get(f"workers/{worker}/stop", since=since, weigh=weigh)
        return found

    def vouch_for(self, worker: int) -> WorkerFacts:
        """Let a worker answer without the test."""
        found: WorkerFacts = self._send("POST", f"workers/{worker}/vouch")
        return found

    def rotate_link(self, worker: int) -> WorkerFacts:
        """Give a worker another personal link; the old one leads nowhere."""
        found: WorkerFacts = self._send("POST", f"workers/{worker}/link")
        return found

    def answers(self, worker: int, *, which: str | None = None) -> Iterator[Answer]:
        """A worker's answers, the latest first: all, or those "missed", "disagreed", "fast", "gone"."""
        return self._pages(f"workers/{worker}/answers", which=which)

    def course(self, worker: int) -> Course:
        """How a worker did over time: gold answered right, and seconds an answer."""
        found: Course = self._get(f"workers/{worker}/course")
        return found

    def account(self, worker: int) -> Account:
        """What a worker earned, was paid, and is owed."""
        found: Account = self._get(f"workers/{worker}/account")
        return found

    def give_bonus(self, worker: int, money: str, *, reason: str) -> Account:
        """Give a worker more, as "0.50"."""
        found: Account = self._send("POST", f"workers/{worker}/bonus", money=money, reason=reason)
        return found

    def payments(self, worker: int) -> Iterator[Payment]:
        return self._pages(f"workers/{worker}/payments")

    def note_payment(self, worker: int, money: str, *, note: str = "") -> Payment:
        """Note that somebody of your own was paid."""
        made: Payment = self._send("POST", f"workers/{worker}/payments", money=money, note=note)
        return made

    def messages(self, worker: int) -> Iterator[Message]:
        return self._pages(f"workers/{worker}/messages")

    def write_to(self, worker: int, text: str) -> Message:
        """Write to a worker: by mail, or by the marketplace they came from."""
        sent: Message = self._send("POST", f"workers/{worker}/messages", text=text)
        return sent

    def codes(self) -> Iterator[Code]:
        """Those by which anyone joins."""
        return self._pages("codes")

    def make_code(self) -> Code:
        made: Code = self._send("POST", "codes")
        return made

    def revoke_code(self, code: int) -> None:
        self._send("DELETE", f"codes/{code}")
