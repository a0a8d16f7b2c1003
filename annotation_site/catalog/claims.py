"""Exclusive claims on long work, held by a connection: whatever ends a process ends its claims with it.

They are Postgres advisory locks of a session. A process that is killed leaves nothing to expire or to clean
up: the server frees its locks as soon as its connection is gone, and the next one to ask gets them. That
connection must reach Postgres itself: a pooler that hands sessions around (PgBouncer's transaction mode)
cannot hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from threading import Lock
from types import TracebackType
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, connection, connections

KIND_BITS = 56
"""Below a kind's own bits there is room for any primary key that will ever be given out."""

KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
"""Seconds and tries until Postgres gives up on a machine that vanished with its connection open."""


class Kind(IntEnum):
    """What is claimed; the id beside it is the primary key of its row, or a number made of what it is."""

    STAGE = 1
    SHARD = 2
    IMPORT = 3
    EXPORT = 4
    TREE = 5
    INTAKE = 6
    ESTIMATE = 7
    DELETION = 8
    HELP = 9
    EXPORT_TURN = 10
    COMPARISON = 11
    COMPARISON_TURN = 12


class Claims:
    """A connection of its own, in autocommit, and the claims it holds; threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._closed = False
        self._connection = connections.create_connection(DEFAULT_DB_ALIAS)
        self._connection.inc_thread_sharing()
        for name, value in KEEPALIVE.items():
            self.execute("SELECT set_config(%s, %s, false)", [name, str(value)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, kind: Kind, pk: int) -> bool:
        """Claim a row; False when someone else has it."""
        return bool(self.execute("SELECT pg_try_advisory_lock(%s)", [_key(kind, pk)])[0][0])

    def share(self, kind: Kind, pk: int) -> bool:
        """Claim a row together with others; False when someone has it alone."""
        return bool(self.execute("SELECT pg_try_advisory_lock_shared(%s)", [_key(kind, pk)])[0][0])

    def give_back(self, kind: Kind, pk: int) -> None:
        """End a claim that this connection has alone; without one there is none to end."""
        with suppress(Error):
            self.execute("SELECT pg_advisory_unlock(%s)", [_key(kind, pk)])

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement of its own transaction, seen by others at once, and return its rows."""
        with self._lock:
            if self._closed:
                raise InterfaceError("The claims of this connection have ended.")
            return self._executed(sql, parameters)

    def _executed(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """End all claims; whoever asks for them from now on gets them."""
        with self._lock, suppress(Error):
            if not self._closed:
                self._closed = True
                self._executed("SELECT pg_advisory_unlock_all()", [])
        self._connection.close()


def claimed(kind: Kind, pks: Iterable[int]) -> set[int]:
    """Those of the rows that someone holds right now."""
    keys = {_key(kind, pk): pk for pk in pks}
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
            " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return {keys[key] for (key,) in cursor.fetchall() if key in keys}


def _key(kind: Kind, pk: int) -> int:
    return (int(kind) << KIND_BITS) | pk
