"""How background work that is a row of its own tells there how far it is, and hears that it should stop."""

from __future__ import annotations

import time

from django.db import models

from annotation_site.catalog.claims import Claims
from pipeline.progress import Progress, StopRequested, silent

WRITE_EVERY = 0.5
"""Seconds between two writes."""

MESSAGE_LENGTH = 300


class RowSteps:
    """A Progress that writes to a row on the claim's connection, whatever the work's own transactions do.

    The row has the columns `done`, `total`, `stop_requested`, and `message` if `tells`.
    """

    def __init__(
        self, row: models.Model, claims: Claims, *, tells: bool = False, also: Progress = silent
    ) -> None:
        self._claims, self._pk, self._tells, self._also, self._due = claims, row.pk, tells, also, 0.0
        said = ", message = %s" if tells else ""
        table = row._meta.db_table
        self._sql = f"UPDATE {table} SET done = %s, total = %s{said} WHERE id = %s RETURNING stop_requested"

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """See `pipeline.progress.Progress`.

        Raises
        ------
        StopRequested
            When somebody set the row's flag, or deleted the row.
        """
        self._also(done, total, message)
        if done < total and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + WRITE_EVERY
        said = [message[:MESSAGE_LENGTH]] if self._tells else []
        rows = self._claims.execute(self._sql, [done, total, *said, self._pk])
        if not rows or rows[0][0]:
            raise StopRequested("Stopped on request.")
