"""Progress of long work in a terminal: a bar where there is one, plain lines where there is not."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from pipeline.progress import Progress, StopRequested

LINE_EVERY = 5.0
"""Seconds between two plain lines."""


@contextmanager
def terminal_progress(label: str, *, stream: TextIO | None = None) -> Iterator[Progress]:
    """A Progress that draws on `stream` (default: stderr) for as long as the block runs.

    The first Ctrl-C ends the work between two pieces, by a StopRequested from the next call; a second one at
    once.
    """
    out = stream or sys.stderr
    with _ctrl_c_stops() as check:
        if out.isatty():
            with _bar(label, out) as draw:
                yield _then(draw, check)
        else:
            yield _then(Lines(label, out), check)


def _then(draw: Progress, check: Callable[[], None]) -> Progress:
    def report(done: int, total: int, message: str = "") -> None:
        draw(done, total, message)
        check()

    return report


@contextmanager
def _ctrl_c_stops() -> Iterator[Callable[[], None]]:
    asked = threading.Event()

    def remember(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    def check() -> None:
        if asked.is_set():
            raise StopRequested("Stopped by Ctrl-C.")

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(label: str, stream: TextIO) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}", style="bold", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=24),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[message]}", style="dim", table_column=Column(no_wrap=True, ratio=1)),
    )
    with Bar(*columns, console=Console(file=stream), expand=True) as bar:
        task = bar.add_task(label, total=None, message="")

        def draw(done: int, total: int, message: str = "") -> None:
            bar.update(task, completed=done, total=total or None, message=message)

        yield draw


class Lines:
    """A Progress of plain lines, for logs and pipes: the first, the last, and some between."""

    def __init__(self, label: str, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._stream, self._clock = label, stream, clock
        self._due = float("-inf")
        self._last = ""

    def __call__(self, done: int, total: int, message: str = "") -> None:
        reached = f"{done} of {total}" if total else f"{done}"
        line = f"{self._label}: {reached}" + (f", {message}" if message else "")
        finished = bool(total) and done >= total
        if line == self._last or (self._clock() < self._due and not finished):
            return
        self._stream.write(line + "\n")
        self._stream.flush()
        self._last, self._due = line, self._clock() + LINE_EVERY
