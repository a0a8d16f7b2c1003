"""Simulated workers at work, each in a thread of its own, until the budget is spent or nothing is open."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from django.db import OperationalError, connection

from annotation_site.catalog.models import Project
from annotation_site.pages.crowd.population import Behaviour
from annotation_site.pages.crowd.truth import Known, right_answers
from annotation_site.pages.crowd.visitor import FIRST_WAIT, PATIENCE, Entry, Page, Reply, Visitor
from annotation_site.people.members import join
from annotation_site.people.models import Membership, Worker
from pipeline.progress import Progress, silent

TICK = 0.2
"""Seconds between two looks at the progress."""
LOOK_AGAIN = 0.5
"""Seconds after which a worker who found nothing to do comes back."""
WAITING = ("nothing-yet", "budget-spent", "wait")
"""Notices that may pass: what others hold may come back."""
GO_ON = "go on"


@dataclass(slots=True)
class Tally:
    """What simulated workers did. `right` counts answers that agree with the ground truth, tests aside."""

    hits: int = 0
    tests: int = 0
    answers: int = 0
    right: int = 0
    late: int = 0
    undone: int = 0
    retries: int = 0
    seconds: float = 0.0
    ended: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.hits + other.hits,
            self.tests + other.tests,
            self.answers + other.answers,
            self.right + other.right,
            self.late + other.late,
            self.undone + other.undone,
            self.retries + other.retries,
            self.seconds + other.seconds,
            self.ended + other.ended,
        )


class Floor:
    """Where the workers meet: tells when all are idle with no answer in between, and when to go home."""

    def __init__(self, workers: int) -> None:
        self._lock = threading.Lock()
        self._working, self._answers = workers, 0
        self._idle: dict[int, int] = {}
        self.closed = threading.Event()

    @property
    def answers(self) -> int:
        return self._answers

    def answered(self) -> None:
        """Someone answered: those who wait may find work again."""
        with self._lock:
            self._answers += 1

    def idle(self, worker: int) -> None:
        """Someone found nothing to do. When all did since the last answer, the floor closes."""
        with self._lock:
            self._idle[worker] = self._answers
            self._close_if_done()

    def busy(self, worker: int) -> None:
        """Someone has a page again."""
        with self._lock:
            self._idle.pop(worker, None)

    def left(self, worker: int) -> None:
        """Someone went home."""
        with self._lock:
            self._working -= 1
            self._idle.pop(worker, None)
            self._close_if_done()

    def _close_if_done(self) -> None:
        up_to_date = [seen for seen in self._idle.values() if seen == self._answers]
        if len(up_to_date) >= self._working:
            self.closed.set()


@dataclass
class SimulatedWorker:
    """One worker: opens pages and answers them by their behaviour.

    Attributes
    ----------
    speed : how many times faster than a person; 0 does not wait at all
    """

    number: int
    member: Membership
    behaviour: Behaviour
    floor: Floor
    rng: np.random.Generator
    speed: float = 0.0
    photos: bool = True
    sleep: Callable[[float], None] = time.sleep
    tally: Tally = field(default_factory=Tally)

    def work(self, base_url: str) -> Tally:
        """Answer page after page until there is no more work, or the floor closes."""
        with Visitor(base_url, self.member.secret, sleep=self._pause) as visitor:
            try:
                visitor.arrive()
                self.tally.ended[self._visit(visitor)] += 1
            finally:
                self.floor.left(self.number)
                self.tally.retries += visitor.retries
        return self.tally

    def _visit(self, visitor: Visitor) -> str:
        """Why the worker went home."""
        reason = "interrupted"
        while not self.floor.closed.is_set():
            page = visitor.open_page()
            if isinstance(page, Page):
                self.floor.busy(self.number)
                reason = self._take_test(visitor, page) if page.is_test else self._answer_page(visitor, page)
            else:
                reason = page.kind
            if reason in WAITING:
                self.floor.idle(self.number)
                self.floor.closed.wait(LOOK_AGAIN)
            elif reason != GO_ON:
                return reason
        return reason if reason != GO_ON else "interrupted"

    def _answer_page(self, visitor: Visitor, page: Page) -> str:
        """Answer what is left of a page; why they leave for good, or GO_ON."""
        self.tally.hits += 1
        left = [entry for entry in page.items if entry.answer is None]
        known = self._known(left)
        for entry in left:
            if self.floor.closed.is_set():
                return "interrupted"
            if self.rng.random() < self.behaviour.leaves:
                return "left"
            reply = self._answer(visitor, page, entry, known[entry.key])
            if reply.problem == "worker-stopped":
                return "stopped"
            if reply.problem:
                return GO_ON  # The page is stale: open a fresh one.
        return GO_ON

    def _take_test(self, visitor: Visitor, page: Page) -> str:
        """Answer what is left of the test; why they leave for good, or GO_ON."""
        self.tally.tests += 1
        behaviour = self.behaviour.in_test()
        left = [entry for entry in page.items if entry.answer is None]
        known = self._known(left)
        for entry in left:
            if self.floor.closed.is_set():
                return "interrupted"
            if self.photos:
                visitor.look_at(entry)
            asked = known[entry.key]
            says = behaviour.says(asked.right, question=asked.question, rng=self.rng)
            seconds = behaviour.looks_for(self.rng)
            self._pause(seconds / self.speed if self.speed else 0.0)
            visitor.answer(page, entry, says=says, elapsed_ms=round(1000 * seconds))
        return GO_ON

    def _answer(self, visitor: Visitor, page: Page, entry: Entry, known: Known) -> Reply:
        if self.photos:
            visitor.look_at(entry)
        says = self.behaviour.says(known.right, question=known.question, rng=self.rng)
        seconds = self.behaviour.looks_for(self.rng)
        self._pause(seconds / self.speed if self.speed else 0.0)
        reply = visitor.answer(page, entry, says=says, elapsed_ms=round(1000 * seconds))
        if not reply.problem and reply.remaining and self.rng.random() < self.behaviour.undo:
            visitor.undo(page, entry)
            self.tally.undone += 1
            reply = visitor.answer(page, entry, says=says, elapsed_ms=round(1000 * seconds))
        if not reply.problem:
            self._count(reply, is_right=says == known.right, seconds=seconds)
        return reply

    def _count(self, reply: Reply, *, is_right: bool, seconds: float) -> None:
        self.tally.answers += 1
        self.tally.right += is_right
        self.tally.late += reply.late
        self.tally.seconds += seconds
        self.floor.answered()

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.sleep(seconds)

    def _known(self, entries: Sequence[Entry]) -> dict[UUID, Known]:
        """The right answers; waits for a database that is away, and holds no connection in between."""
        waited = 0.0
        while True:
            try:
                return right_answers([entry.key for entry in entries])
            except OperationalError:
                if waited > PATIENCE:
                    raise
                self.sleep(FIRST_WAIT)
                waited += FIRST_WAIT
            finally:
                connection.close()


def recruit(project: Project, population: Sequence[Behaviour]) -> list[tuple[Membership, Behaviour]]:
    """The members that a population stands for; the same ones each time."""
    recruited = []
    for behaviour in population:
        for number in range(1, behaviour.count + 1):
            name = f"Simulated {behaviour.name} {number}"
            identity = f"{project.slug}/{behaviour.name}/{number}"
            member = join(project=project, provider=Worker.SIMULATED, external_id=identity, name=name)
            recruited.append((member, behaviour))
    return recruited


def run_crowd(
    recruited: Sequence[tuple[Membership, Behaviour]],
    base_url: str,
    *,
    seed: int,
    speed: float = 0.0,
    photos: bool = True,
    progress: Progress = silent,
    total: int = 0,
) -> dict[str, Tally]:
    """Let all work at the same time; what they did, by the name of their behaviour.

    Parameters
    ----------
    total : answers that the budget allows, for the progress; 0 where it is not known
    progress : when it raises, everyone finishes the answer at hand and goes home

    Raises
    ------
    SiteGone
        When the site stays away.
    """
    floor = Floor(len(recruited))
    workers = [
        SimulatedWorker(
            number,
            member,
            behaviour,
            floor,
            np.random.default_rng([seed, number]),
            speed=speed,
            photos=photos,
        )
        for number, (member, behaviour) in enumerate(recruited)
    ]
    with ThreadPoolExecutor(len(workers), thread_name_prefix="worker") as pool:
        futures = [pool.submit(worker.work, base_url) for worker in workers]
        try:
            while wait(futures, timeout=TICK).not_done:
                progress(floor.answers, total, f"{len(workers)} at work")
        finally:
            floor.closed.set()
    for future in futures:
        future.result()
    tallies: dict[str, Tally] = {}
    for worker in workers:
        name = worker.behaviour.name
        tallies[name] = tallies.get(name, Tally()) + worker.tally
    return tallies
