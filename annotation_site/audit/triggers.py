"""The triggers on the watched tables, as `watched.py` wants them."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

from annotation_site.audit.watched import WATCHED, Watched

THERE = """
SELECT c.relname, coalesce(obj_description(t.oid, 'pg_trigger'), '') FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = 'audit_note' AND NOT t.tgisinternal
AND c.relnamespace = current_schema()::regnamespace
"""
COLUMNS = """
SELECT table_name::text, array_agg(column_name::text) FROM information_schema.columns
WHERE table_schema = current_schema() GROUP BY 1
"""


def install(*, using: str) -> None:
    """Make the triggers that are missing or differ, drop those of tables that are watched no more.

    Tables that lack a column, since migrations were left halfway, get theirs when they have it.
    """
    connection = connections[using]
    columns, there = dict(_rows(connection, COLUMNS)), dict(_rows(connection, THERE))
    if "audit_entry" not in columns:
        return
    wanted = {one.table: definition(one) for one in WATCHED if {*one.told} <= {*columns.get(one.table, ())}}
    with atomic(using=using), connection.cursor() as cursor:
        for table in there.keys() - wanted.keys():
            cursor.execute(f'DROP TRIGGER audit_note ON "{table}"')
        for table, sql in wanted.items():
            mark = hashlib.sha256(sql.encode()).hexdigest()
            if there.get(table) != mark:
                cursor.execute(sql)
                cursor.execute(f"COMMENT ON TRIGGER audit_note ON \"{table}\" IS '{mark}'")


def remove(*, using: str) -> None:
    """Drop all of them; `install` brings them back."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for table, _ in _rows(connection, THERE):
            cursor.execute(f'DROP TRIGGER audit_note ON "{table}"')


def definition(one: Watched) -> str:
    """The statement that makes the trigger of a model."""
    columns = ", ".join(f'"{column}"' for column in one.told)
    events = " OR ".join(f"UPDATE OF {columns}" if event == "update" else event.upper() for event in one.on)
    arguments = ", ".join(
        _literal(text) for text in (one.model, lookup(one), _array(one.ignored), _array(one.hidden))
    )
    when = f"WHEN ({one.when}) " if one.when else ""
    return (
        f'CREATE OR REPLACE TRIGGER audit_note AFTER {events} ON "{one.table}" '
        f"FOR EACH ROW {when}EXECUTE FUNCTION audit_note({arguments})"
    )


def lookup(one: Watched) -> str:
    """The query of a row's project and name; $1 is the row."""
    project = f"({_path(one, one.project)})::bigint" if one.project else "NULL::bigint"
    return f"SELECT {project}, {_path(one, one.name) if one.name else 'NULL::text'}"


def _path(one: Watched, path: str) -> str:
    """SQL of the value that a path of fields leads to, as text."""
    first, *others = path.split("__")
    field: Any = one.cls._meta.get_field(first)
    sql = f"$1->>'{field.column}'"
    for name in others:
        model: type[models.Model] = field.related_model
        field = model._meta.get_field(name)
        key = model._meta.pk.column
        sql = f'(SELECT "{field.column}"::text FROM "{model._meta.db_table}" WHERE "{key}" = ({sql})::bigint)'
    return sql


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _array(columns: list[str]) -> str:
    return "{" + ",".join(columns) + "}"


def _rows(connection: BaseDatabaseWrapper, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
