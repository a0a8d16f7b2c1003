"""How work tells its row how far it is, and hears from the database that it should stop."""

from __future__ import annotations

import time

from django.db import Error as DatabaseError
from django.db import models

from annotation_site.catalog.claims import Claims
from annotation_site.catalog.models import StageRun
from annotation_site.catalog.reporting import MESSAGE_LENGTH, ClaimLost
from pipeline.linkage import WAITING
from pipeline.progress import Progress, StopRequested, silent

WRITE_EVERY = 0.5
"""Seconds between two statements."""


HELP = """
WITH further AS (
  UPDATE catalog_stagerun SET moved_at = now()
  WHERE id = %(pk)s AND state = 'running' AND %(moved)s AND moved_at < now() - interval '10 seconds'
)
SELECT NOT stop_requested FROM catalog_stagerun WHERE id = %(pk)s AND state = 'running'
"""
"""Many may help at once: the row is not written by each of them all the time."""


class _Steps:
    """A Progress that speaks to the database on the claim's connection, outside the work's transactions.

    Parameters
    ----------
    sql : a statement with any of pk, done, total, message and moved, whether the work got further since the
        last statement or waits its turn; answers whether the work is still wanted
    """

    def __init__(self, sql: str, row: models.Model, claims: Claims, *, also: Progress) -> None:
        self._sql, self._pk, self._claims, self._also, self._due = sql, row.pk, claims, also, 0.0
        self._reached, self._told = (0, 0), (0, 0, "")

    @property
    def reached(self) -> tuple[int, int]:
        """What it was told last, done and total."""
        return self._reached

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """See `pipeline.progress.Progress`.

        Raises
        ------
        StopRequested
            When the work is not wanted any more.
        ClaimLost
            When the database is gone, or was for a moment.
        """
        self._reached = (done, total)
        self._also(done, total, message)
        if done < total and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + WRITE_EVERY
        moved = message.startswith(WAITING) or self._told != (done, total, message)
        self._told = (done, total, message)
        told = {"pk": self._pk, "done": done, "total": total, "message": message[:MESSAGE_LENGTH]}
        try:
            rows = self._claims.execute(self._sql, {**told, "moved": moved})
        except DatabaseError as error:
            raise ClaimLost(f"The connection to the database broke ({error}).") from error
        if not rows or not rows[0][0]:
            raise StopRequested("Stopped on request.")


class RowSteps(_Steps):
    """Of a job: writes to its row; ends when somebody set its flag, or deleted it."""

    def __init__(self, row: models.Model, claims: Claims, *, also: Progress = silent) -> None:
        sql = (
            f"UPDATE {row._meta.db_table} SET done = %(done)s, total = %(total)s, message = %(message)s"
            " WHERE id = %(pk)s RETURNING NOT stop_requested"
        )
        super().__init__(sql, row, claims, also=also)


class HelperSteps(_Steps):
    """Of whoever helps with a stage: says that it gets further, which its own process may wait for; ends when
    the stage does."""

    def __init__(self, run: StageRun, claims: Claims, *, also: Progress = silent) -> None:
        super().__init__(HELP, run, claims, also=also)
