"""How far an experiment is, on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bar

from pipeline.progress import Progress, silent


@contextmanager
def shown_progress(label: str) -> Iterator[Progress]:
    """A Progress that draws a bar on stderr while the block runs; silent where that is no terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label)

        def draw(done: int, total: int, message: str = "") -> None:
            bar.update(task, completed=done, total=total, description=message or label)

        yield draw
