"""What became of each mask of a tree: the decision on its cluster, and people's answer on itself.

A mask is **accepted** when it lies in a cluster whose decision stands and is accept, and people did not
refuse this very mask. It is **rejected** when its cluster is, or when people refused it in an accepted
cluster. Everything else is **undecided**.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.db import connection, transaction
from django.db.models import QuerySet

from annotation_site.catalog.models import Project, Role, Tree
from annotation_site.verification.models import Decision, SearchRules
from annotation_site.verification.questions import Asked, asked_within
from pipeline.aggregation import Majority


class Fate(StrEnum):
    """What became of a mask."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Segment:
    """Leaves [lo, hi) that share a decision; None where none stands."""

    lo: int
    hi: int
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What people said of one mask: votes, and what they come to (None while that is open)."""

    label: bool | None
    yes: int
    no: int
    unsure: int


@dataclass(frozen=True)
class TreeOutcome:
    """The outcome of one tree, as its facts stand.

    Attributes
    ----------
    tree : without its packed dendrogram
    decided : standing accept and reject decisions, by position
    answers : by leaf position, of the masks that were asked about
    """

    tree: Tree
    decided: Sequence[Decision]
    answers: Mapping[int, Answer]

    @cached_property
    def refused(self) -> Sequence[int]:
        """Positions of the masks that people said no to, ascending."""
        return sorted(position for position, answer in self.answers.items() if answer.label is False)

    def refused_within(self, lo: int, hi: int) -> int:
        """How many masks of [lo, hi) people said no to."""
        return bisect_left(self.refused, hi) - bisect_left(self.refused, lo)

    def fate(self, segment: Segment, position: int) -> Fate:
        """What became of a mask of a segment."""
        if segment.decision is None:
            return Fate.UNDECIDED
        answer = self.answers.get(position)
        refused = answer is not None and answer.label is False
        accepted = segment.decision.verdict == Decision.Verdict.ACCEPT and not refused
        return Fate.ACCEPTED if accepted else Fate.REJECTED

    def segments(self, fates: Collection[Fate]) -> Iterator[Segment]:
        """The segments that hold masks of these fates, by position; together with others of their cluster."""
        at = 0
        for decision in self.decided:
            lo, hi = decision.cluster.lo, decision.cluster.hi
            if at < lo and Fate.UNDECIDED in fates:
                yield Segment(at, lo, None)
            if self._may_hold(decision, fates):
                yield Segment(lo, hi, decision)
            at = hi
        if at < self.tree.n and Fate.UNDECIDED in fates:
            yield Segment(at, self.tree.n, None)

    def _may_hold(self, decision: Decision, fates: Collection[Fate]) -> bool:
        cluster = decision.cluster
        if decision.verdict == Decision.Verdict.REJECT:
            return Fate.REJECTED in fates
        refused = self.refused_within(cluster.lo, cluster.hi)
        return Fate.ACCEPTED in fates or (Fate.REJECTED in fates and refused > 0)

    @property
    def accepted(self) -> int:
        """How many masks are accepted."""
        clusters = [d.cluster for d in self.decided if d.verdict == Decision.Verdict.ACCEPT]
        return sum(cluster.size - self.refused_within(cluster.lo, cluster.hi) for cluster in clusters)


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
    rules = SearchRules.objects.filter(round=tree.round_id).first()
    majority = Majority(rules.judgments_per_question if rules else 1)
    return TreeOutcome(
        tree=tree,
        decided=sorted(decided.select_related("cluster"), key=lambda decision: decision.cluster.lo),
        answers={asked.position: _answer(asked, majority) for asked in asked_within(tree.pk, [(0, tree.n)])},
    )


def _answer(asked: Asked, majority: Majority) -> Answer:
    said = [judgment.says_yes for judgment in asked.judgments]
    return Answer(majority.label(asked.judgments), said.count(True), said.count(False), said.count(None))


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
