"""What became of masks, read from the facts: of a whole tree, or of some leaves of many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from annotation_site.catalog.models import Project, Replacement, Role, Tree
from annotation_site.results.said import LEAVES, Answer, answers_at, answers_of, leaves
from annotation_site.results.tree_outcome import VERDICTS, Fate, Segment, TreeOutcome
from annotation_site.verification.models import Decision, Overruling

__all__ = [
    "VERDICTS",
    "Answer",
    "Fate",
    "Segment",
    "TreeOutcome",
    "one_moment",
    "outcome_of",
    "outcomes_at",
    "trees_of",
]

# A range of one tree id stands in for "=", as in the constraint whose index this uses.
DECIDED = f"""
SELECT DISTINCT d.id FROM {LEAVES}
JOIN verification_decision d
  ON int8range(d.tree_id, d.tree_id, '[]') && int8range(leaf.tree_id, leaf.tree_id, '[]')
  AND d.interval @> leaf.position
WHERE d.withdrawn_at IS NULL AND d.verdict IN ('accept', 'reject')
"""
OVERRULED = f"""
SELECT DISTINCT o.id FROM {LEAVES}
JOIN verification_overruling o ON o.tree_id = leaf.tree_id AND o.lo <= leaf.position AND o.hi > leaf.position
WHERE o.undone_at IS NULL AND o.replaced_by_id IS NULL AND o.verdict IN ('accept', 'reject')
"""
NEWER = """
SELECT old.tree_id, old.position, new.tree_id, new.position, rd.number
FROM {source}
JOIN catalog_replacement r ON r.earlier_id = old.id
JOIN catalog_mask new ON new.id = r.mask_id
JOIN catalog_tree t ON t.id = new.tree_id
JOIN catalog_round rd ON rd.id = t.round_id
{which}
"""
NEWER_OF_TREE = NEWER.format(source="catalog_mask old", which="WHERE old.tree_id = %(tree)s")
NEWER_AT_LEAVES = NEWER.format(source=f"{LEAVES} JOIN catalog_mask old USING (tree_id, position)", which="")


def trees_of(project: Project, *, round_number: int | None = None) -> QuerySet[Tree]:
    """The trees of a project's pool images, of all rounds or of one, without their packed dendrograms."""
    trees = Tree.objects.filter(round__project=project, role=Role.POOL)
    if round_number is not None:
        trees = trees.filter(round__number=round_number)
    return trees.defer("packed").select_related("round", "category").order_by("round__number", "category_id")


def outcome_of(tree: Tree) -> TreeOutcome:
    """The outcome of a tree, from its standing decisions and judgments."""
    standing = Decision.objects.in_force().filter(tree=tree)
    decided = standing.filter(verdict__in=[Decision.Verdict.ACCEPT, Decision.Verdict.REJECT])
    by_hand = Overruling.objects.standing().verdicts().filter(tree=tree)
    outcome = _outcome(
        tree, decided.select_related("cluster"), by_hand.select_related("by"), answers_of(tree)
    )
    if not Replacement.objects.filter(earlier__tree=tree).exists():
        return outcome
    return _replaced({tree.pk: outcome}, NEWER_OF_TREE, {"tree": tree.pk})[tree.pk]


def outcomes_at(places: Mapping[Tree, Collection[int]]) -> dict[int, TreeOutcome]:
    """Tree's primary key -> an outcome that is true of these leaves alone.

    A few statements that read what lies over these leaves and nothing else, however large the trees are.
    """
    said = _said_at(places)
    if not Replacement.objects.filter(earlier__tree__in=said).exists():
        return said
    return _replaced(said, NEWER_AT_LEAVES, leaves(places))


def _said_at(places: Mapping[Tree, Collection[int]]) -> dict[int, TreeOutcome]:
    """The same, whatever later rounds found."""
    where = leaves(places)
    decided = Decision.objects.filter(pk__in=_keys(DECIDED, where)).select_related("cluster")
    by_hand = Overruling.objects.filter(pk__in=_keys(OVERRULED, where)).select_related("by")
    answers, decisions, overrulings = answers_at(places), list(decided), list(by_hand)
    return {
        tree.pk: _outcome(
            tree,
            [one for one in decisions if one.tree_id == tree.pk],
            [one for one in overrulings if one.tree_id == tree.pk],
            answers[tree.pk],
        )
        for tree in places
    }


def _outcome(
    tree: Tree,
    decided: Iterable[Decision],
    by_hand: Iterable[Overruling],
    answers: Mapping[int, Answer],
) -> TreeOutcome:
    in_order = sorted(by_hand, key=lambda one: one.pk)
    return TreeOutcome(
        tree=tree,
        decided=sorted(decided, key=lambda decision: decision.cluster.lo),
        answers=answers,
        overruled=[one for one in in_order if one.size > 1],
        ruled={one.lo: one for one in in_order if one.size == 1},
    )


def _replaced(
    outcomes: Mapping[int, TreeOutcome], newer: str, parameters: Mapping[str, Any]
) -> dict[int, TreeOutcome]:
    """With the accepted masks that do not count: an accepted one of a later round shows the same object."""
    with connection.cursor() as cursor:
        cursor.execute(newer, parameters)
        pairs = cursor.fetchall()
    places: dict[int, set[int]] = defaultdict(set)
    for _, _, tree, position, _ in pairs:
        places[tree].add(position)
    trees = Tree.objects.defer("packed").in_bulk(list(places))
    later = _said_at({trees[key]: positions for key, positions in places.items()})
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for old, at, new, there, number in pairs:
        if outcomes[old].is_accepted(at) and later[new].is_accepted(there):
            found[old][at] = min(number, found[old].get(at, number))
    return {key: replace(outcome, replaced=found[key]) for key, outcome in outcomes.items()}


def _keys(statement: str, parameters: Mapping[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [key for (key,) in cursor.fetchall()]


@contextmanager
def one_moment() -> Iterator[None]:
    """A transaction that only reads and sees the database as it is at its beginning, while people go on.

    Inside a transaction of the caller it is the caller's.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
