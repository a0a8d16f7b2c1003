"""What an answer touches, read and locked by few plain statements: hundreds of people answer every second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from annotation_site import statements
from annotation_site.people.models import Standing
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification.deciding import OpenCluster
from annotation_site.verification.locks import TREE_KEYS
from annotation_site.verification.models import Says

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


HOLD = """
WITH held AS MATERIALIZED (
  SELECT i.id, a.id AS assignment, q.id AS question, a.worker_id, a.project_id,
    a.finished_at IS NULL AND a.released_at IS NULL AS is_live,
    a.expires_at, p.lease_minutes, q.tree_id, q.position,
    EXISTS (SELECT 1 FROM people_membership m
      WHERE m.project_id = a.project_id AND m.worker_id = a.worker_id AND m.standing = %(stopped)s)
  FROM verification_item i
  JOIN verification_assignment a ON a.id = i.assignment_id
  JOIN verification_question q ON q.id = i.question_id
  JOIN catalog_project p ON p.id = a.project_id
  WHERE i.key = %(key)s AND a.id = %(assignment)s AND p.state <> 'deleting' FOR NO KEY UPDATE OF a
)
SELECT held.*, CASE WHEN is_live AND %(with_tree)s
  THEN pg_advisory_xact_lock_shared(%(tree_keys)s::bigint + tree_id) IS NULL END
FROM held
"""
"""The assignment is locked before its tree, by what is read from the locked row."""

STOPPED = """
SELECT 1 FROM people_membership WHERE project_id = %s AND worker_id = %s AND standing = %s
"""

HELD_NOW = """
SELECT i.key, a.id FROM verification_assignment a
JOIN verification_item i ON i.assignment_id = a.id AND i.question_id = %s
WHERE a.project_id = %s AND a.worker_id = %s AND a.finished_at IS NULL AND a.released_at IS NULL
"""

HOLD_CLUSTER = """
SELECT id, is_open, tree_id, node, lo, hi, priority FROM verification_cluster
WHERE id = (SELECT cluster_id FROM verification_question WHERE id = %s) FOR NO KEY UPDATE
"""

RECORD = """
WITH written AS (
  INSERT INTO verification_judgment
    (question_id, tree_id, worker_id, item_id, says, of_gold, elapsed_ms, at, retracted_because)
  SELECT q.id, q.tree_id, %(worker)s, %(item)s, %(says)s, q.gold_id IS NOT NULL, %(elapsed_ms)s, %(at)s, ''
  FROM verification_question q
  WHERE q.id = %(question)s AND q.cluster_id IS NOT DISTINCT FROM %(cluster)s
  ON CONFLICT DO NOTHING RETURNING item_id
)
SELECT (SELECT count(*) FROM written), count(*) FROM verification_item i
WHERE i.assignment_id = %(assignment)s AND i.id <> %(item)s AND NOT EXISTS (
  SELECT 1 FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_at IS NULL
)
"""

STANDING = """
SELECT says FROM verification_judgment
WHERE question_id = %s AND worker_id = %s AND retracted_at IS NULL ORDER BY item_id = %s DESC LIMIT 1
"""

ANSWER_SINCE = """
SELECT j.says FROM verification_judgment j JOIN verification_assignment a ON a.id = %s
WHERE j.question_id = %s AND j.worker_id = a.worker_id AND j.retracted_at IS NULL AND j.at > a.opened_at
LIMIT 1
"""

REMAINING = """
SELECT count(*) FROM verification_item i WHERE i.assignment_id = %s AND NOT EXISTS (
  SELECT 1 FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_at IS NULL
)
"""


def hold_item(key: UUID, assignment_id: int, *, with_tree: bool) -> Held:
    """The item of a key, its assignment locked; with the tree of its mask, if any, while the HIT is live.

    Raises
    ------
    UnknownItem
        When the assignment has no such item.
    WorkerStopped
        When its worker may not answer any more.
    """
    named = {"key": key, "assignment": assignment_id, "with_tree": with_tree}
    row = statements.first(HOLD, {**named, "stopped": Standing.STOPPED.value, "tree_keys": TREE_KEYS})
    if row is None:
        raise UnknownItem(f"This HIT has no item {key}: open the page again.")
    *held, is_stopped, _ = row
    if is_stopped:
        raise WorkerStopped(NO_MORE)
    return Held(*held)


def refuse_stopped(held: Held) -> None:
    """Look at the standing again: who waited for the assignment may have been stopped meanwhile.

    Raises
    ------
    WorkerStopped
        When the worker may not answer any more.
    """
    if statements.first(STOPPED, [held.project, held.worker, Standing.STOPPED.value]):
        raise WorkerStopped(NO_MORE)


def held_now(held: Held) -> tuple[UUID, int] | None:
    """Key and assignment of the item on the same question that the worker holds in another HIT."""
    row = statements.first(HELD_NOW, [held.question, held.project, held.worker])
    return None if row is None else (row[0], row[1])


def hold_cluster(question_id: int) -> tuple[OpenCluster, bool]:
    """The cluster that a question is asked for, locked, and whether it is open."""
    key, is_open, *place = statements.one(HOLD_CLUSTER, [question_id])
    return OpenCluster(key, *place), is_open


def record(
    held: Held, says: Says, *, elapsed_ms: int, at: datetime, cluster: OpenCluster | None = None
) -> int | None:
    """Insert a judgment; the items of its HIT that have none yet.

    None when one of the worker stands, or the question has left the cluster: nothing is written then.
    """
    written, left = statements.one(
        RECORD,
        {
            "question": held.question,
            "worker": held.worker,
            "item": held.item,
            "assignment": held.assignment,
            "says": says.value,
            "elapsed_ms": elapsed_ms,
            "at": at,
            "cluster": None if cluster is None else cluster.pk,
        },
    )
    return left if written else None


def standing_answer(held: Held) -> str | None:
    """What the worker said of the item, or earlier of the same mask; None where nothing stands."""
    row = statements.first(STANDING, [held.question, held.worker, held.item])
    return None if row is None else str(row[0])


def answer_since(held: Held) -> str | None:
    """What the worker said of the mask since its HIT was opened, in whichever one; None if nothing stands."""
    row = statements.first(ANSWER_SINCE, [held.assignment, held.question])
    return None if row is None else str(row[0])


def remaining(assignment_id: int) -> int:
    """Items of a HIT without an answer."""
    (left,) = statements.one(REMAINING, [assignment_id])
    return int(left)
