"""What became of each mask of a tree: the decision on its cluster, and people's answer on itself.

A mask is **accepted** when it lies in a cluster whose decision stands and is accept, and people did not
refuse this very mask. It is **rejected** when its cluster is, or when people refused it in an accepted
cluster. It is **replaced** when it was accepted, and so was the mask of a later round that shows the same
object: an object counts once. Everything else is **undecided**. An admin's verdict on a cluster takes the
place of people's decisions; one on a single mask is all that counts for it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from operator import attrgetter

from django.db import connection, transaction
from django.db.models import QuerySet

from annotation_site.catalog.models import Project, Role, Tree
from annotation_site.verification.ground import opinions_of
from annotation_site.verification.models import Decision, Overruling, SearchRules
from annotation_site.verification.questions import Asked, asked_within
from annotation_site.verification.yields import replaced_in
from pipeline.aggregation import Aggregation
from pipeline.intervals import innermost


class Fate(StrEnum):
    """What became of a mask."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REPLACED = "replaced"
    UNDECIDED = "undecided"


VERDICTS: Mapping[str, Fate] = {
    Decision.Verdict.ACCEPT: Fate.ACCEPTED,
    Decision.Verdict.REJECT: Fate.REJECTED,
}
"""What a verdict makes of the masks of a cluster."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Leaves [lo, hi) that share a decision, or an admin's verdict that took its place, or have neither."""

    lo: int
    hi: int
    decision: Decision | None
    overruling: Overruling | None = None

    @property
    def verdict(self) -> str | None:
        """Accept, reject or None."""
        said = self.overruling or self.decision
        return None if said is None else said.verdict


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
    overruled : admins' standing verdicts on clusters
    ruled : admins' standing verdicts on single masks, by position
    replaced : position of an accepted mask -> number of the first round with an accepted mask of its object
    """

    tree: Tree
    decided: Sequence[Decision]
    answers: Mapping[int, Answer]
    overruled: Sequence[Overruling] = ()
    ruled: Mapping[int, Overruling] = field(default_factory=dict)
    replaced: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def refused(self) -> Sequence[int]:
        """Positions of the masks that people said no to, ascending."""
        return sorted(position for position, answer in self.answers.items() if answer.label is False)

    @cached_property
    def pieces(self) -> Sequence[Segment]:
        """The whole tree in segments, ascending; those without a verdict among them."""
        by_hand = [(one.lo, one.hi) for one in self.overruled]
        outermost = innermost([(0, self.tree.n), *by_hand])
        free = [(lo, hi) for lo, hi, index in outermost if index == 0]
        decided = [one for one in self.decided if _any_meets(free, one.cluster.lo, one.cluster.hi)]
        intervals = [(0, self.tree.n), *((one.cluster.lo, one.cluster.hi) for one in decided), *by_hand]
        said = [Segment(0, 0, None), *(Segment(0, 0, one) for one in decided)]
        said += [Segment(0, 0, None, one) for one in self.overruled]
        return [replace(said[index], lo=lo, hi=hi) for lo, hi, index in innermost(intervals)]

    def refused_within(self, lo: int, hi: int) -> int:
        """How many masks of [lo, hi) people said no to."""
        return _within(self.refused, lo, hi)

    @cached_property
    def _replaced(self) -> Sequence[int]:
        return sorted(self.replaced)

    def _replaced_within(self, lo: int, hi: int) -> int:
        """How many masks of [lo, hi) a later round replaced."""
        return _within(self._replaced, lo, hi)

    @cached_property
    def _ruled(self) -> Sequence[int]:
        return sorted(self.ruled)

    def _ruled_within(self, lo: int, hi: int) -> Sequence[Overruling]:
        """Admins' verdicts on single masks of [lo, hi)."""
        positions = self._ruled[bisect_left(self._ruled, lo) : bisect_left(self._ruled, hi)]
        return [self.ruled[position] for position in positions]

    def is_uniform(self, segment: Segment) -> bool:
        """Whether all masks of a segment became the same."""
        if self._ruled_within(segment.lo, segment.hi) or self._replaced_within(segment.lo, segment.hi):
            return False
        return segment.verdict != Decision.Verdict.ACCEPT or not self.refused_within(segment.lo, segment.hi)

    def segment_at(self, position: int) -> Segment:
        """The segment that holds a mask."""
        return self.pieces[bisect_right(self.pieces, position, key=attrgetter("lo")) - 1]

    def fate(self, segment: Segment, position: int) -> Fate:
        """What became of a mask of a segment."""
        return Fate.REPLACED if position in self.replaced else self._said(segment, position)

    def _said(self, segment: Segment, position: int) -> Fate:
        """What became of a mask, whatever later rounds found."""
        if position in self.ruled:
            return VERDICTS[self.ruled[position].verdict]
        if segment.verdict is None:
            return Fate.UNDECIDED
        answer = self.answers.get(position)
        refused = answer is not None and answer.label is False
        return Fate.REJECTED if refused else VERDICTS[segment.verdict]

    def segments(self, fates: Collection[Fate]) -> Iterator[Segment]:
        """The segments that hold masks of these fates, by position; together with others of their cluster."""
        for segment in self.pieces:
            if self._fates_within(segment) & set(fates):
                yield segment

    def _fates_within(self, segment: Segment) -> set[Fate]:
        """Fates that masks of a segment may have."""
        found = {Fate.UNDECIDED if segment.verdict is None else VERDICTS[segment.verdict]}
        if not self.is_uniform(segment):
            found |= {VERDICTS[one.verdict] for one in self._ruled_within(segment.lo, segment.hi)}
            if segment.verdict and self.refused_within(segment.lo, segment.hi):
                found.add(Fate.REJECTED)
            if self._replaced_within(segment.lo, segment.hi):
                found.add(Fate.REPLACED)
        return found

    @property
    def accepted(self) -> int:
        """How many masks are accepted."""
        accepting = [one for one in self.pieces if one.verdict == Decision.Verdict.ACCEPT]
        whole = sum(one.hi - one.lo - self.refused_within(one.lo, one.hi) for one in accepting)
        return whole + sum(self._moves(position) for position in self.ruled) - len(self.replaced)

    def _moves(self, position: int) -> int:
        """1 where a verdict on a mask made it accepted, -1 where it took that from it, else 0."""
        segment = self.segment_at(position)
        answer = self.answers.get(position)
        refused = answer is not None and answer.label is False
        before = segment.verdict == Decision.Verdict.ACCEPT and not refused
        return int(self.ruled[position].verdict == Decision.Verdict.ACCEPT) - int(before)


def _within(positions: Sequence[int], lo: int, hi: int) -> int:
    """How many of some ascending positions lie in [lo, hi)."""
    return bisect_left(positions, hi) - bisect_left(positions, lo)


def _any_meets(free: Sequence[tuple[int, int]], lo: int, hi: int) -> bool:
    """Whether [lo, hi) holds anything of disjoint ascending intervals."""
    at = bisect_left(free, (lo, lo)) - 1
    return any(start < hi and lo < end for start, end in free[max(at, 0) : at + 2])


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
    by_hand = Overruling.objects.standing().verdicts().filter(tree=tree).select_related("by").order_by("pk")
    rules = SearchRules.objects.filter(round=tree.round_id).first()
    opinions = opinions_of(rules)
    return TreeOutcome(
        tree=tree,
        decided=sorted(decided.select_related("cluster"), key=lambda decision: decision.cluster.lo),
        answers={asked.position: _answer(asked, opinions) for asked in asked_within(tree.pk, [(0, tree.n)])},
        overruled=[one for one in by_hand if one.size > 1],
        ruled={one.lo: one for one in by_hand if one.size == 1},
        replaced=replaced_in(tree),
    )


def _answer(asked: Asked, opinions: Aggregation) -> Answer:
    said = [judgment.says_yes for judgment in asked.judgments]
    return Answer(opinions.label(asked.judgments), said.count(True), said.count(False), said.count(None))


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
