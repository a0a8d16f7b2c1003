"""Everything that an import leaves out, in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotation_site.catalog.import_report import Listener, Problem, unheard


@contextmanager
def problem_log(file: Path | None) -> Iterator[Listener]:
    """A listener that writes every problem to a file, if there is one."""
    if file is None:
        yield unheard
        return
    with file.open("w", encoding="utf-8") as log:

        def write(problem: Problem) -> None:
            entry = {"kind": problem.kind.name.lower(), "item": problem.item, "detail": problem.detail}
            log.write(json.dumps(entry) + "\n")

        yield write
