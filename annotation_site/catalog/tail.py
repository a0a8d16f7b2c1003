"""The last lines of a stage, for people who watch: what it said, what its process logged."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

LINES = 40
LONGEST = 300
LOGGERS = ("pipeline", "annotation_site")
NUMBER = re.compile(r"[\d.,:]+")


class Tail(logging.Handler):
    """A bounded list of (moment, text); a line that differs from the last by its numbers takes its place."""

    def __init__(self, before: Iterable[tuple[str, str]] = (), *, clock: Callable[[], datetime]) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[tuple[str, str]] = deque(before, LINES)
        self._clock, self._is_new = clock, False

    def listen(self) -> None:
        """Hear what is logged, until it is closed."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def close(self) -> None:
        """Hear nothing more."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the log."""
        self.say(record.getMessage())

    def say(self, text: str) -> None:
        """Take a line."""
        line = text.strip()[:LONGEST]
        if not line or (self._lines and self._lines[-1][1] == line):
            return
        if self._lines and NUMBER.sub("", self._lines[-1][1]) == NUMBER.sub("", line):
            self._lines.pop()
        self._lines.append((self._clock().isoformat(timespec="seconds"), line))
        self._is_new = True

    def news(self) -> list[tuple[str, str]]:
        """All lines, if there is one that was not given yet."""
        if not self._is_new:
            return []
        self._is_new = False
        return list(self._lines)
