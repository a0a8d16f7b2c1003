"""Statements that are sent with each of hundreds of answers a second: Postgres plans them once a connection.

Planning them takes it longer than carrying them out. Django's own cursors write parameters into the text of a
statement, so that each is another one to Postgres.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


@contextmanager
def planned_once() -> Iterator[CursorWrapper]:
    """A cursor like `connection.cursor()` whose parameters travel beside the statement.

    Which statements are kept, psycopg decides: those that came a few times (OPTIONS["prepare_threshold"]).
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = ServerBindingCursor(connection.connection)
    with connection._prepare_cursor(cursor) as wrapped:
        yield wrapped
