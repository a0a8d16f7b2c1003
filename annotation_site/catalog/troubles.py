"""Troubles that pass by themselves: work that they disturb waits and goes on, instead of ending."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from django.db import InterfaceError, OperationalError, connection

from annotation_site.file_storage import is_away
from pipeline.progress import Progress

PAUSES = (15.0, 60.0, 240.0, 900.0)
"""Seconds before each further try: some twenty minutes of trouble in all, then a person is asked."""

CALM = 600.0
"""Seconds of work after which a trouble is a new one."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether the work is still wanted."""

log = logging.getLogger(__name__)


class Remembering(Progress, Protocol):
    """A Progress that knows how far the work is."""

    @property
    def reached(self) -> tuple[int, int]:
        """What it was told last, done and total."""


P = TypeVar("P", bound=Remembering)


def persist(work: Callable[[P], object], report: P) -> None:
    """Carry out work that makes what is missing, again after a pause when the database or a storage was away.

    What raises otherwise, or after the last pause, goes through, as do the stops of `report`.
    """
    pauses, begun = iter(PAUSES), time.monotonic()
    while True:
        try:
            work(report)
        except Exception as trouble:
            if time.monotonic() - begun > CALM:
                pauses = iter(PAUSES)
            pause = next(pauses, None) if passes(trouble) else None
            if pause is None:
                raise
            log.warning("Disturbed; goes on in %.0f s.", pause, exc_info=True)
            _wait(pause, report, f"Disturbed ({str(trouble).strip()}); goes on in {pause:.0f} s")
            begun = time.monotonic()
        else:
            return


def passes(error: BaseException) -> bool:
    """Whether the database or a storage could not be reached, or not just then."""
    away = (OperationalError, InterfaceError, ConnectionError, TimeoutError)
    return isinstance(error, away) or is_away(error)


def _wait(pause: float, report: Remembering, message: str) -> None:
    until = time.monotonic() + pause
    while time.monotonic() < until:
        report(*report.reached, message)
        threading.Event().wait(min(LOOK_EVERY, pause))
    connection.close_if_unusable_or_obsolete()
