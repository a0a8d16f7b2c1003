"""What comes out: exports, the report, the figures of the dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Comparison, Dataset, Export, Report

POLL = 2.0
"""Seconds between two looks at something that is under way."""
ENDED = frozenset({"done", "stopped", "failed"})


class NotDone(Exception):
    """What was waited for ended otherwise; the message says how."""


class Results(ProjectScope):
    def exports(self) -> Iterator[Export]:
        return self._pages("exports")

    def export(self, format: str = "coco", **choice: Any) -> Export:
        """Ask for an export; a worker writes it. See `wait_for` and `download`."""
        asked: Export = self._send("POST", "exports", format=format, **choice)
        return asked

    def stop_export(self, export: int) -> Export:
        """Let whoever writes it end; nothing of it is kept."""
        stopped: Export = self._send("POST", f"exports/{export}/stop")
        return stopped

    def retry_export(self, export: int) -> Export:
        """Have one written anew that failed or was stopped."""
        waiting: Export = self._send("POST", f"exports/{export}/retry")
        return waiting

    def delete_export(self, export: int) -> None:
        """Delete it and its file; one that is being written is stopped, and can be deleted then."""
        self._send("DELETE", f"exports/{export}")

    def wait_for(
        self, export: Export, *, sleep: Callable[[float], None] = time.sleep, seconds: float = 3600
    ) -> Export:
        """The export once it is done.

        Raises
        ------
        NotDone
            When it was stopped, failed, or takes longer than `seconds`.
        """
        waited = 0.0
        while (now := self._export(export))["state"] not in ENDED:
            if waited >= seconds:
                raise NotDone(f"After {seconds:.0f} s the export is at {now['done']:,} of {now['total']:,}.")
            sleep(POLL)
            waited += POLL
        if now["state"] != "done":
            raise NotDone(f"The export was {now['state']}. {now['error']}".strip())
        return now

    def download(self, export: Export, target: str | Path) -> Path:
        """The file of an export that is done, checked by its SHA-256."""
        path = self._at(f"exports/{export['id']}/file")
        return self._connection.download(path, Path(target), sha256=export["sha256"])

    def _export(self, export: Export) -> Export:
        found: Export = self._get(f"exports/{export['id']}")
        return found

    def report(self) -> Report:
        """What the project brought and what it cost."""
        found: Report = self._get("report")
        return found

    def comparisons(self) -> Iterator[Comparison]:
        """What accepted masks were worth to a model, the newest first."""
        return self._pages("usefulness")

    def compare_usefulness(self, *, seeds: int = 1, iterations: int | None = None) -> Comparison:
        """Have three models trained: of the initial set alone, with drawn and with accepted masks."""
        more = {} if iterations is None else {"iterations": iterations}
        asked: Comparison = self._send("POST", "usefulness", seeds=seeds, **more)
        return asked

    def comparison(self, comparison: int) -> Comparison:
        """How far it is, and what it measured by now."""
        found: Comparison = self._get(f"usefulness/{comparison}")
        return found

    def stop_comparison(self, comparison: int) -> Comparison:
        """Let whoever is at it end; what was learnt is kept."""
        found: Comparison = self._send("POST", f"usefulness/{comparison}/stop")
        return found

    def go_on_with_comparison(self, comparison: int) -> Comparison:
        """Go on with one that was stopped or failed."""
        found: Comparison = self._send("POST", f"usefulness/{comparison}/go-on")
        return found

    def delete_comparison(self, comparison: int) -> None:
        self._send("DELETE", f"usefulness/{comparison}")

    def dataset(self, *, sleep: Callable[[float], None] = time.sleep) -> Dataset:
        """Figures of the accepted masks beside the initial set; waits until they are counted."""
        while (found := self._get("dataset"))["figures"] is None:
            sleep(0.2)
        counted: Dataset = found["figures"]
        return counted
