"""What people said of masks: the answers that count, read in one statement however many they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation_site.catalog.models import Tree
from annotation_site.verification.ground import opinions_of
from annotation_site.verification.models import SearchRules
from annotation_site.verification.questions import SAYS_YES
from pipeline.aggregation import Aggregation, Judgment
from pipeline.skills import Skill

LEAVES = "unnest(%(trees)s::bigint[], %(positions)s::int[]) AS leaf(tree_id, position)"

# A vote is "yes", or "yes/0.9/0.8" where the worker's sensitivity and specificity are known.
READ = """
SELECT q.tree_id, q.position,
  string_agg(j.says || coalesce('/' || s.sensitivity || '/' || s.specificity, ''), ' ' ORDER BY j.id)
FROM {source}
LEFT JOIN verification_skill s ON s.tree_id = q.tree_id AND s.worker_id = j.worker_id
WHERE j.retracted_at IS NULL AND {which} GROUP BY q.id
"""
OF_TREE = READ.format(
    source="verification_judgment j JOIN verification_question q ON q.id = j.question_id",
    which="j.tree_id = %(tree)s",
)
AT_LEAVES = READ.format(
    source=f"{LEAVES} JOIN verification_question q USING (tree_id, position)"
    " JOIN verification_judgment j ON j.question_id = q.id",
    which="TRUE",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What people said of one mask: votes, and what they come to (None while that is open)."""

    label: bool | None
    yes: int
    no: int
    unsure: int


class Reading:
    """Votes into answers by a round's rules; masks of the same votes have the same answer."""

    def __init__(self, opinions: Aggregation) -> None:
        self._opinions = opinions
        self._known: dict[str, Answer] = {}

    def __call__(self, votes: str) -> Answer:
        """The answer of some votes as `READ` writes them."""
        found = self._known.get(votes)
        if found is None:
            found = self._known[votes] = self._read(votes)
        return found

    def _read(self, votes: str) -> Answer:
        judgments = [_judgment(*vote.split("/")) for vote in votes.split(" ")]
        said = [judgment.says_yes for judgment in judgments]
        return Answer(self._opinions.label(judgments), said.count(True), said.count(False), said.count(None))


def _judgment(says: str, *skill: str) -> Judgment:
    known = Skill(*(float(share) for share in skill)) if skill else None
    return Judgment(0, SAYS_YES[says], skill=known)


def answers_of(tree: Tree) -> dict[int, Answer]:
    """Position -> answer, of the masks of a tree that anybody answered."""
    reading = Reading(opinions_of(SearchRules.objects.filter(round=tree.round_id).first()))
    return {position: reading(votes) for _, position, votes in _rows(OF_TREE, {"tree": tree.pk})}


def answers_at(places: Mapping[Tree, Collection[int]]) -> dict[int, dict[int, Answer]]:
    """Tree's primary key -> position -> answer, of those of some leaves that anybody answered."""
    rounds = {tree.round_id for tree in places}
    rules = {one.round_id: one for one in SearchRules.objects.filter(round__in=rounds)}
    readings = {round_: Reading(opinions_of(rules.get(round_))) for round_ in rounds}
    reading = {tree.pk: readings[tree.round_id] for tree in places}
    found: dict[int, dict[int, Answer]] = {tree.pk: {} for tree in places}
    for tree, position, votes in _rows(AT_LEAVES, leaves(places)):
        found[tree][position] = reading[tree](votes)
    return found


def leaves(places: Mapping[Tree, Collection[int]]) -> dict[str, Sequence[int]]:
    """The parameters of `LEAVES`."""
    pairs = [(tree.pk, int(position)) for tree, positions in places.items() for position in positions]
    return {"trees": [tree for tree, _ in pairs], "positions": [position for _, position in pairs]}


def _rows(statement: str, parameters: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        yield from cursor.fetchall()
