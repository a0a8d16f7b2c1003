"""Lists that are shown a page at a time, by primary key, the newest first."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
LONGEST = 18
"""Digits of a primary key, at most: more is none, and no number that the database knows."""


def key_in(text: str) -> int | None:
    """The primary key that an argument of an address names; None where it names none."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST else None


def page_before(found: QuerySet[Row], before: int | None, *, size: int) -> tuple[list[Row], int | None]:
    """The first rows older than `before`, if given, and the `before` of the next page; None on the last.

    `found` is in the order of falling keys.
    """
    older = found if before is None else found.filter(pk__lt=before)
    rows = list(older[: size + 1])
    return rows[:size], rows[size - 1].pk if len(rows) > size else None
