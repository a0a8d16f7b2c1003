"""How a job tells its row how far it is, and hears there that it should stop."""

from __future__ import annotations

import time

from django.db import Error as DatabaseError
from django.db import models

from annotation_site.catalog.claims import Claims
from annotation_site.catalog.reporting import MESSAGE_LENGTH, ClaimLost
from pipeline.progress import Progress, StopRequested, silent

WRITE_EVERY = 0.5
"""Seconds between two writes."""


class RowSteps:
    """A Progress that writes to a job's row on the claim's connection, outside the work's transactions."""

    def __init__(self, row: models.Model, claims: Claims, *, also: Progress = silent) -> None:
        self._claims, self._pk, self._also, self._due = claims, row.pk, also, 0.0
        self._sql = (
            f"UPDATE {row._meta.db_table} SET done = %s, total = %s, message = %s WHERE id = %s"
            " RETURNING stop_requested"
        )

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """See `pipeline.progress.Progress`.

        Raises
        ------
        StopRequested
            When somebody set the row's flag, or deleted the row.
        ClaimLost
            When the database is gone, or was for a moment.
        """
        self._also(done, total, message)
        if done < total and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + WRITE_EVERY
        try:
            rows = self._claims.execute(self._sql, [done, total, message[:MESSAGE_LENGTH], self._pk])
        except DatabaseError as error:
            raise ClaimLost(f"The connection to the database broke ({error}).") from error
        if not rows or rows[0][0]:
            raise StopRequested("Stopped on request.")
