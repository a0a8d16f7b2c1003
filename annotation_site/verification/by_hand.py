"""What admins said of a tree, as the search needs it: what nobody is asked about, what stays split."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotation_site import statements
from annotation_site.verification.models import Overruling

Interval = tuple[int, int]
"""Leaves [lo, hi)."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """The overrulings of a tree that stand.

    Attributes
    ----------
    covered : disjoint intervals that an accept or reject lies over, ascending
    reopened : intervals of the nodes that were reopened
    """

    covered: Sequence[Interval] = ()
    reopened: Sequence[Interval] = ()

    def covers(self, lo: int, hi: int) -> bool:
        """Whether an admin's verdict lies over all of [lo, hi)."""
        at = bisect_right(self.covered, (lo, float("inf"))) - 1
        return at >= 0 and hi <= self.covered[at][1]

    def keeps_split(self, lo: int, hi: int) -> bool:
        """Whether a node strictly below [lo, hi) was reopened.

        The answers that its split rested on may be those that were set aside: it is no reason to ask about
        the whole again.
        """
        return any(lo <= a and b <= hi and (a, b) != (lo, hi) for a, b in self.reopened)


NOTHING = ByHand()

STANDING = """
SELECT lo, hi, verdict FROM verification_overruling
WHERE tree_id = %s AND undone_at IS NULL AND replaced_by_id IS NULL
"""


def by_hand_in(tree_id: int) -> ByHand:
    """What stands of a tree's overrulings (`Overruling.objects.standing`)."""
    standing = statements.rows(STANDING, [tree_id])
    intervals = [(lo, hi, verdict == Overruling.Verdict.REOPEN) for lo, hi, verdict in standing]
    return ByHand(
        covered=_outermost((lo, hi) for lo, hi, reopens in intervals if not reopens),
        reopened=[(lo, hi) for lo, hi, reopens in intervals if reopens],
    )


def _outermost(intervals: Iterable[Interval]) -> list[Interval]:
    """Of intervals that are nested or disjoint, those in no other; ascending."""
    found: list[Interval] = []
    for lo, hi in sorted(intervals, key=lambda one: (one[0], -one[1])):
        if not found or lo >= found[-1][1]:
            found.append((lo, hi))
    return found
