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
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from operator import attrgetter

from annotation_site.catalog.models import Tree
from annotation_site.results.said import Answer
from annotation_site.verification.models import Decision, Overruling
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
        """The same of a mask of a known segment."""
        return Fate.REPLACED if position in self.replaced else self._said(segment, position)

    def fate_at(self, position: int) -> Fate:
        """What became of a mask."""
        return self.fate(self.segment_at(position), position)

    def is_accepted(self, position: int) -> bool:
        """Whether a mask was accepted, also where a later round replaced it."""
        return self._said(self.segment_at(position), position) is Fate.ACCEPTED

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
