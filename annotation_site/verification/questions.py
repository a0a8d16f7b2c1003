"""Rows of questions: read with their judgments, moved in one ordered statement, added by COPY."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from annotation_site import statements
from annotation_site.verification.models import Says
from annotation_site.verification.planning import Place
from pipeline.aggregation import Judgment
from pipeline.skills import Skill

SAYS_YES: Mapping[str, bool | None] = {Says.YES: True, Says.NO: False, Says.UNSURE: None}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a mask of a tree, its place in the queue and its judgments, first one first."""

    id: int
    position: int
    cluster_id: int
    rank: int
    priority: float
    wanted: int
    turn: int
    judgments: tuple[Judgment, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of a question: its new place, and whether a lease on it ends."""

    id: int
    cluster_id: int
    rank: int
    priority: float
    wanted: int
    turn: int
    returned: int = 0


# OFFSET 0 has each question look up its judgments: the planner takes an interval of a tree for a ninth of it,
# and would read every judgment there is.
READ = """
SELECT q.id, q.position, q.cluster_id, q.rank, q.priority, q.wanted, q.turn,
  j.worker_id, j.says, j.id, s.sensitivity, s.specificity
FROM {source}
LEFT JOIN LATERAL (
  SELECT id, worker_id, says FROM verification_judgment
  WHERE question_id = q.id AND retracted_at IS NULL OFFSET 0
) j ON true
LEFT JOIN verification_skill s ON s.tree_id = q.tree_id AND s.worker_id = j.worker_id
WHERE {which} ORDER BY q.rank, q.id, j.id
"""

MOVE = """
WITH held AS (
  SELECT id FROM verification_question WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
)
UPDATE verification_question q
SET cluster_id = new.cluster_id, rank = new.rank, priority = new.priority,
  wanted = new.wanted, turn = new.turn, taken = q.taken - new.returned
FROM held JOIN unnest(
  %(ids)s::bigint[], %(clusters)s::bigint[], %(ranks)s::int[], %(priorities)s::float8[],
  %(wanted)s::int[], %(turns)s::int[], %(returned)s::int[]
) AS new(id, cluster_id, rank, priority, wanted, turn, returned) USING (id)
WHERE q.id = held.id
"""

RETURN = """
WITH held AS (
  SELECT id FROM verification_question WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
)
UPDATE verification_question q SET taken = q.taken - %(leases)s FROM held WHERE q.id = held.id
"""

ADD = """
INSERT INTO verification_question
  (project_id, category_id, mask_id, tree_id, position, cluster_id, rank, turn, priority, wanted, taken)
SELECT r.project_id, t.category_id, m.id, t.id, new.position, new.cluster, new.rank, new.turn, new.priority,
  new.wanted, 0
FROM unnest(
  %(positions)s::int[], %(clusters)s::bigint[], %(ranks)s::int[], %(turns)s::int[],
  %(priorities)s::float8[], %(wanted)s::int[]
) AS new(position, cluster, rank, turn, priority, wanted)
JOIN catalog_mask m ON m.tree_id = %(tree)s AND m.position = new.position
JOIN catalog_tree t ON t.id = m.tree_id JOIN catalog_round r ON r.id = t.round_id
"""


def asked_within(tree_id: int, intervals: Sequence[tuple[int, int]]) -> list[Asked]:
    """The questions about the leaves of a tree in disjoint intervals [lo, hi)."""
    within = (
        "unnest(%s::int[], %s::int[]) AS i(lo, hi)"
        " JOIN verification_question q ON q.position >= i.lo AND q.position < i.hi"
    )
    bounds = [[lo for lo, _ in intervals], [hi for _, hi in intervals]]
    return _read(within, "q.tree_id = %s", [*bounds, tree_id])


def asked_at(tree_id: int, positions: Collection[int]) -> list[Asked]:
    """The questions about some leaves of a tree."""
    which = "q.tree_id = %s AND q.position = ANY(%s)"
    return _read("verification_question q", which, [tree_id, sorted(positions)])


def _read(source: str, which: str, parameters: list[int | list[int]]) -> list[Asked]:
    return asked_of(statements.rows(READ.format(source=source, which=which), parameters))


def asked_of(rows: Iterable[Sequence[Any]]) -> list[Asked]:
    """Questions from rows as `READ` finds them, those of a question one after the other."""
    return [_asked(list(given)) for _, given in groupby(rows, itemgetter(0))]


def _asked(rows: Sequence[Sequence[Any]]) -> Asked:
    """A question from its rows, one for each judgment, or one without."""
    key, position, cluster, rank, priority, wanted, turn, *_ = rows[0]
    judgments = tuple(_judgment(*row[7:]) for row in rows if row[7] is not None)
    return Asked(key, position, cluster, rank, priority, wanted, turn, judgments)


def _judgment(
    worker: int, says: str, number: int, sensitivity: float | None, specificity: float | None
) -> Judgment:
    return Judgment(worker, SAYS_YES[says], number, _skill(sensitivity, specificity))


def _skill(sensitivity: float | None, specificity: float | None) -> Skill | None:
    return None if sensitivity is None or specificity is None else Skill(sensitivity, specificity)


def by_position(questions: Iterable[Asked]) -> dict[int, tuple[Judgment, ...]]:
    """Leaf position -> judgments."""
    return {question.position: question.judgments for question in questions}


def move(moves: Collection[Move]) -> None:
    """Give questions their new places; their rows are locked in ascending order."""
    if not moves:
        return
    statements.run(
        MOVE,
        {
            "ids": [m.id for m in moves],
            "clusters": [m.cluster_id for m in moves],
            "ranks": [m.rank for m in moves],
            "priorities": [m.priority for m in moves],
            "wanted": [m.wanted for m in moves],
            "turns": [m.turn for m in moves],
            "returned": [m.returned for m in moves],
        },
    )


def give_back(question_ids: Collection[int]) -> None:
    """End one lease on each of the questions."""
    _change_leases(question_ids, -1)


def take_again(question_id: int) -> None:
    """A lease that an answer had ended goes on: the answer was undone."""
    _change_leases([question_id], 1)


def _change_leases(question_ids: Collection[int], by: int) -> None:
    if question_ids:
        statements.run(RETURN, {"ids": sorted(question_ids), "leases": -by})


def add(tree_id: int, places: Mapping[int, Place], clusters: Mapping[int, tuple[int, float]]) -> None:
    """Ask about masks of a tree for the first time.

    Parameters
    ----------
    places : by leaf position
    clusters : node -> (primary key, priority)
    """
    if not places:
        return
    found = [clusters[place.node] for place in places.values()]
    statements.run(
        ADD,
        {
            "tree": tree_id,
            "positions": list(places),
            "clusters": [cluster for cluster, _ in found],
            "ranks": [place.rank for place in places.values()],
            "turns": [place.turn for place in places.values()],
            "priorities": [priority for _, priority in found],
            "wanted": [place.wanted for place in places.values()],
        },
    )
