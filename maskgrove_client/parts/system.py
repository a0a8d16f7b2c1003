"""The machine room, for superusers by tokens that are for all projects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from maskgrove_client.connection import Connection
from maskgrove_client.records import SiteEntry, System, SystemJob, SystemStage, SystemWorker


class MachineRoom:
    """What waits, who works, what failed."""

    _connection: Connection

    def system(self) -> System:
        """What waits in the queues, and how much room is left."""
        found: System = self._connection.get("system")
        return found

    def system_workers(self) -> list[SystemWorker]:
        """The workers that are alive; they have a second to say so."""
        found: list[SystemWorker] = self._connection.get("system/workers")["results"]
        return found

    def system_stages(
        self, state: Literal["running", "stopped", "failed", "done"] | None = None
    ) -> Iterator[SystemStage]:
        """The stages of all projects, the newest first."""
        return self._connection.pages("system/stages", state=state)

    def retry_stage(self, stage: int) -> SystemStage:
        """Let workers carry on a stage that failed or was stopped, and its round with it."""
        found: SystemStage = self._connection.send("POST", f"system/stages/{stage}/retry")
        return found

    def system_jobs(
        self,
        kind: Literal["import", "export", "estimate", "comparison", "deletion"],
        state: Literal["uploading", "waiting", "running", "stopped", "failed", "done"] | None = None,
    ) -> Iterator[SystemJob]:
        """Background work of a kind, of all projects, the newest first."""
        return self._connection.pages(f"system/jobs/{kind}", state=state)

    def retry_job(self, kind: str, job: int) -> SystemJob:
        """Let workers try work of a kind again that failed or was stopped."""
        found: SystemJob = self._connection.send("POST", f"system/jobs/{kind}/{job}/retry")
        return found

    def site_history(self, *, who: str | None = None, what: str | None = None) -> Iterator[SiteEntry]:
        """What was changed on the whole site, the latest first; `what` as "budget.Budget"."""
        return self._connection.pages("system/history", who=who, what=what)
