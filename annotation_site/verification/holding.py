"""What an answer touches, locked, written and read by one statement: hundreds answer every second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from annotation_site import statements
from annotation_site.people.models import Standing
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification.clusters import Row
from annotation_site.verification.models import Says
from annotation_site.verification.questions import Asked, asked_of

NO_MORE = "You cannot answer on this project any more. What you did is kept and paid."


class UnknownItem(Exception):
    """No item of this assignment has that key."""


@dataclass(frozen=True, slots=True)
class Held:
    """An item whose assignment this transaction holds; `tree` and `position` are None for gold."""

    item: int
    assignment: int
    question: int
    worker: int
    project: int
    is_live: bool
    expires_at: datetime
    lease_minutes: int
    tree: int | None
    position: int | None


@dataclass(frozen=True, slots=True)
class Given:
    """What a worker says of an item, having looked for so long."""

    says: Says
    elapsed_ms: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an answer.

    Attributes
    ----------
    stands : what the worker said before, of the item or of the same mask: then nothing was written
    remaining : items of the HIT without an answer
    cluster : the one that the mask is asked for, locked; None for gold, and where nothing was recorded
    asked : questions of the cluster in the order of asking, this answer among their judgments; none where it
        is not open
    """

    stands: str | None
    remaining: int
    cluster: Row | None
    asked: list[Asked]


HOLD = """
SELECT h.*, EXISTS (SELECT FROM people_membership m
  WHERE m.project_id = h.project AND m.worker_id = h.worker AND m.standing = %s)
FROM verification_hold_item(%s, %s) h
"""

RECORD = "SELECT * FROM verification_record_answer(%s, %s, %s, %s, %s, %s)"

HELD_NOW = """
SELECT i.key, a.id FROM verification_assignment a
JOIN verification_item i ON i.assignment_id = a.id AND i.question_id = %s
WHERE a.project_id = %s AND a.worker_id = %s AND a.finished_at IS NULL AND a.released_at IS NULL
"""

REMAINING = """
SELECT count(*) FROM verification_item i WHERE i.assignment_id = %s AND NOT EXISTS (
  SELECT 1 FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_at IS NULL
)
"""


def hold_item(key: UUID, assignment_id: int) -> Held:
    """The item of a key, its assignment locked.

    Raises
    ------
    UnknownItem
        When the assignment has no such item.
    WorkerStopped
        When its worker may not answer any more.
    """
    *found, is_stopped = statements.one(HOLD, [Standing.STOPPED.value, key, assignment_id])
    return _held(key, found, is_stopped)


def record(
    key: UUID, assignment_id: int, given: Given, *, even_late: bool = False
) -> tuple[Held, Recorded | None]:
    """Hold an item, its assignment and then its tree and cluster locked, and record an answer to it.

    None is recorded of a HIT that is over, unless `even_late`: its tree is not held then, either.

    Raises
    ------
    UnknownItem, WorkerStopped
        As `hold_item`.
    """
    named = [key, assignment_id, given.says.value, given.elapsed_ms, given.at, even_late]
    row = statements.one(RECORD, named)
    columns = len(fields(Held))
    is_stopped, stands, left, *cluster, asked = row[columns:]
    held = _held(key, row[:columns], is_stopped)
    if not (held.is_live or even_late):
        return held, None
    return held, Recorded(
        stands=stands,
        remaining=left,
        cluster=None if cluster[0] is None else Row(*cluster),
        asked=asked_of(asked or []),
    )


def _held(key: UUID, columns: Sequence[Any], is_stopped: bool) -> Held:
    if columns[0] is None:
        raise UnknownItem(f"This HIT has no item {key}: open the page again.")
    if is_stopped:
        raise WorkerStopped(NO_MORE)
    return Held(*columns)


def held_now(held: Held) -> tuple[UUID, int] | None:
    """Key and assignment of the item on the same question that the worker holds in another HIT."""
    row = statements.first(HELD_NOW, [held.question, held.project, held.worker])
    return None if row is None else (row[0], row[1])


def remaining(assignment_id: int) -> int:
    """Items of a HIT without an answer."""
    (left,) = statements.one(REMAINING, [assignment_id])
    return int(left)
