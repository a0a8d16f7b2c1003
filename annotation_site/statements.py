"""Statements that are sent with each of hundreds of answers a second: Postgres plans them once a connection.

Planning them takes it longer than carrying them out. Django's own cursors write parameters into the text of a
statement, so that each is another one to Postgres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper

server_binding_cursor: Any = base.ServerBindingCursor
"""Its types do not know that it is psycopg's own cursor."""


Parameters = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]


def rows(sql: str, parameters: Parameters) -> list[Row]:
    """What a statement finds or returns."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[Row] = cursor.fetchall()
        return found


def first(sql: str, parameters: Parameters) -> Row | None:
    """The first of `rows`; None without any."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        found: Row | None = cursor.fetchone()
        return found


def one(sql: str, parameters: Parameters) -> Row:
    """The row of a statement that always has one."""
    (found,) = rows(sql, parameters)
    return found


def run(sql: str, parameters: Parameters) -> None:
    """Carry out a statement that returns nothing."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)


def _cursor() -> CursorWrapper:
    """A cursor like `connection.cursor()` whose parameters travel beside the statement.

    Which statements are kept, psycopg decides: those that came a few times (OPTIONS["prepare_threshold"]).
    """
    connection.ensure_connection()
    own: Any = connection
    with own.wrap_database_errors:
        cursor = server_binding_cursor(own.connection)
    wrapped: CursorWrapper = own._prepare_cursor(cursor)
    return wrapped
