"""Clocks for tests: one that stands, and one that goes on when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta


def frozen(at: datetime) -> Callable[[], datetime]:
    """A clock that always says the same."""
    return lambda: at


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self, at: datetime) -> None:
        self.now = at

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by
