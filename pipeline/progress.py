"""How long work says how far it is, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class StopRequested(Exception):
    """Raised from a progress call when someone asked for the work to stop.

    Work that is stopped keeps the pieces it finished and resumes after them.
    """


class Progress(Protocol):
    """Called by long work between its pieces, often: implementations throttle what they store or draw."""

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Say that `done` of `total` pieces are finished.

        Raises
        ------
        StopRequested
            When the work should end here, between two pieces.
        """


def silent(done: int, total: int, message: str = "") -> None:
    """A progress that nobody watches."""


def tracked(items: Iterable[T], total: int, progress: Progress, message: str = "") -> Iterator[T]:
    """Yield `items`, reporting before the first and after each one."""
    progress(0, total, message)
    for done, item in enumerate(items, start=1):
        yield item
        progress(done, total, message)
