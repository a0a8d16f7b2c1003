"""How a running stage tells the database how far it is, and hears from there that it should stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from django.db import Error as DatabaseError

from annotation_site.catalog.claims import Claims
from annotation_site.catalog.models import StageRun
from annotation_site.catalog.tail import Tail
from pipeline.progress import Progress, StopRequested, silent

WRITE_EVERY = 0.5
"""Seconds between two writes of a stage that moves."""

HEARTBEAT_EVERY = 5.0
"""Seconds between two writes of a stage that does not."""

MESSAGE_LENGTH = 300

WRITE = """
UPDATE catalog_stagerun
SET done = %(done)s, total = %(total)s, message = %(message)s, heartbeat_at = %(at)s,
  moved_at = CASE WHEN (done, total, message) IS DISTINCT FROM (%(done)s, %(total)s, %(message)s)
    THEN %(at)s ELSE moved_at END,
  detail = CASE %(noted)s WHEN '{}' THEN detail ELSE detail || %(noted)s::jsonb END
WHERE id = %(run)s RETURNING stop_requested
"""
"""A detail to which nothing is added stays where it is: with a training curve in it, it is no small row."""


class StageError(Exception):
    """A stage that cannot be carried out now."""


class ClaimLost(StageError):
    """The connection that holds a stage's claim is gone: another process may have taken the stage over."""


class Reporter:
    """A Progress that a thread carries to the stage's row, whatever the work's own transactions do.

    The work itself only leaves its numbers here, so it may call as often as it likes and never waits for the
    database. The thread writes what changed at most twice a second, else a heartbeat, on the connection that
    holds the stage's claim: those who look see it at once, and a lost claim is noticed.
    """

    def __init__(
        self, claims: Claims, run: StageRun, *, also: Progress = silent, clock: Callable[[], datetime]
    ) -> None:
        self._claims, self._run, self._also, self.clock = claims, run, also, clock
        self._state: tuple[int, int, str] = (run.done, run.total, run.message)
        self._noted: dict[str, Any] = {}
        self._tail = Tail(run.detail.get("log", []), clock=clock)
        self._noting = threading.Lock()
        self._changed, self._stop, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._lost: Exception | None = None
        self._thread = threading.Thread(target=self._keep_writing, name=f"report {run.stage}", daemon=True)

    def __enter__(self) -> Self:
        self._tail.listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tail.close()
        self._ended.set()
        self._changed.set()
        self._thread.join()

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """See `pipeline.progress.Progress`.

        Raises
        ------
        StopRequested
            When someone set the stage's stop flag.
        ClaimLost
            When the database is gone, or was for a moment.
        """
        self._state = (done, total, message[:MESSAGE_LENGTH])
        self._tail.say(message)
        self._changed.set()
        self._also(done, total, message)
        if self._lost is not None:
            raise ClaimLost(
                f"The connection to the database broke ({self._lost}); run the {self._run.stage} stage again."
            ) from self._lost
        if self._stop.is_set():
            raise StopRequested("Stopped on request.")

    @property
    def reached(self) -> tuple[int, int]:
        """What it was told last, done and total."""
        return self._state[:2]

    def note(self, **detail: Any) -> None:
        """Leave JSON values for people to look at, such as losses; a name's later value replaces it."""
        json.dumps(detail, allow_nan=False)
        with self._noting:
            self._noted.update(detail)
        self._changed.set()

    def _keep_writing(self) -> None:
        try:
            while not self._ended.is_set():
                self._changed.wait(HEARTBEAT_EVERY)
                self._changed.clear()
                self._write()
                self._ended.wait(WRITE_EVERY)
            self._write()
        except DatabaseError as error:
            self._lost = error

    def _write(self) -> None:
        done, total, message = self._state
        with self._noting:
            noted, self._noted = self._noted, {}
        if lines := self._tail.news():
            noted["log"] = lines
        told = {"done": done, "total": total, "message": message, "noted": json.dumps(noted)}
        rows = self._claims.execute(WRITE, {**told, "at": self.clock(), "run": self._run.pk})
        if not rows or rows[0][0]:
            self._stop.set()
