"""Several long works in one terminal: a bar for each where there is one, plain lines where there is not."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from annotation_site.catalog.progress import Lines
from pipeline.progress import Progress

COLUMNS = (
    TextColumn("{task.description:<10}", style="bold"),
    BarColumn(bar_width=32),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.fields[message]}", style="dim"),
)


class Board:
    """Each work has its own progress; what the console prints meanwhile stands above the bars."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(*COLUMNS, console=console) if console.is_terminal else None
        self._works: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def work(self, label: str) -> Progress:
        """The progress of the work of that name; it gets its bar when it is first asked for."""
        if label not in self._works:
            self._works[label] = self._bar(self._bars, label) if self._bars else Lines(label, sys.stdout)
        return self._works[label]

    @staticmethod
    def _bar(bars: Bars, label: str) -> Progress:
        task: TaskID = bars.add_task(label, total=None, message="")

        def draw(done: int, total: int, message: str = "") -> None:
            bars.update(task, completed=done, total=total or None, message=message)

        return draw
