"""Rounds, and the stages that workers carry them through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import LongTail, Outlook, Project, Round, Stage


class Rounds(ProjectScope):
    def rounds(self) -> Iterator[Round]:
        """The latest first."""
        return self._pages("rounds")

    def start_round(self, **options: Any) -> Round:
        """Begin the next round; `run` carries it on."""
        begun: Round = self._send("POST", "rounds", **options)
        return begun

    def choose_threshold(self, k_pa: float | None) -> Project:
        """Split clusters of a lower mean score without asking; None leaves K_pa to the calibration."""
        changed: Project = self._send("PUT", "threshold", k_pa=k_pa)
        return changed

    def outlook(self, *, round: int | None = None, sleep: Callable[[float], None] = time.sleep) -> Outlook:
        """What each K_pa would bring a round, else the latest; waits until all trees were looked at.

        Raises
        ------
        Conflict
            While it has no trees or no calibration.
        """
        while (found := self._get("threshold/outlook", round=round))["outlook"] is None:
            sleep(0.2)
        through: Outlook = found
        return through

    def open_long_tail(self) -> LongTail:
        """Ask about categories without a cluster, mask by mask."""
        told: LongTail = self._send("POST", "rounds/long-tail")
        return told

    def stages(self) -> list[Stage]:
        """Those of the current round, in order."""
        found: list[Stage] = self._get("stages")["results"]
        return found

    def run(self, until: str = "open", *, again: str | None = None) -> list[Stage]:
        """Let workers carry the round on, up to a stage; `again` begins with one that is done."""
        said = {"until": until} | ({} if again is None else {"again": again})
        found: list[Stage] = self._send("POST", "stages/run", **said)["results"]
        return found

    def stop(self) -> list[Stage]:
        """Let workers leave it; what is finished is kept."""
        found: list[Stage] = self._send("DELETE", "stages/run")["results"]
        return found
