"""Pages of work that were left untouched: others get their questions first, and who leaves many waits.

Else somebody could hold the best clusters' questions for good, one lease after the other, without an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from annotation_site import statements
from annotation_site.people.models import Membership
from annotation_site.people.policies import policy_of
from annotation_site.verification.models import UNDONE, Item

LOOKED_AT = 8
"""The latest pages that are looked at: what a wait grows by ends there."""
TOUCHED = 10
"""A page of which at least one in so many questions was answered is not left untouched."""
FORGOTTEN_AFTER = timedelta(days=7)
LONGEST_WAIT = timedelta(days=1)
CHANCE = timedelta(minutes=10)
"""For so long after a lease its questions are for others alone, even where nothing else is left."""

LATEST = f"""
WITH latest AS MATERIALIZED (
  SELECT id, expires_at, released_at FROM verification_assignment
  WHERE worker_id = %(worker)s AND project_id = %(project)s ORDER BY id DESC LIMIT {LOOKED_AT}
)
SELECT id, expires_at, released_at, CASE WHEN released_at >= expires_at THEN (
  SELECT {TOUCHED} * count(*) FILTER (WHERE EXISTS (
    SELECT 1 FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_because <> '{UNDONE}'
  )) < count(*) FROM verification_item i WHERE i.assignment_id = latest.id
) ELSE false END
FROM latest ORDER BY id DESC
"""
"""A worker's latest pages, the last one first. Answers are looked for only where a lease has run out."""


class MustWait(Exception):
    """Too many pages in a row were left untouched; the message may be shown to the worker.

    Attributes
    ----------
    left : how many
    minutes, hours : until they may open another one, each rounded up
    """

    def __init__(self, *, left: int, wait: timedelta) -> None:
        self.left = left
        self.minutes = -(-wait // timedelta(minutes=1))
        self.hours = -(-wait // timedelta(hours=1))
        super().__init__(
            f"The last {left} pages of work were left without answers, so others come first for a while. The"
            f" next page opens in {self.minutes} minutes."
        )


@dataclass(frozen=True, slots=True)
class _Page:
    assignment: int
    expires_at: datetime
    released_at: datetime


def passed_over(membership: Membership, *, at: datetime) -> list[Sequence[int]]:
    """Questions that a claim of this worker passes over: first all of these, then, if nothing is left, those.

    They are the questions of the pages that the worker left untouched since they last worked. It asks for
    one statement where there are none.

    Raises
    ------
    MustWait
        While the worker has to wait.
    """
    left = _left_in_a_row(membership, at)
    policy = policy_of(membership.project_id) if left else None
    if policy is None or policy.most_left == 0:
        return [()]
    surplus = len(left) - policy.most_left
    if surplus >= 0:
        wait = min(timedelta(minutes=policy.left_wait_minutes) * 2**surplus, LONGEST_WAIT)
        if (until := left[0].expires_at + wait) > at:
            raise MustWait(left=len(left), wait=until - at)
    recent = [page for page in left if page.released_at > at - CHANCE]
    return [_questions(pages) for pages in ([left, recent] if len(recent) < len(left) else [left])]


def _left_in_a_row(membership: Membership, at: datetime) -> list[_Page]:
    """The pages that were left untouched since the last one that was not, the latest first."""
    who = {"worker": membership.worker_id, "project": membership.project_id}
    rows = statements.rows(LATEST, who)
    left = takewhile(lambda row: row[3] and row[1] > at - FORGOTTEN_AFTER, rows)
    return [_Page(key, expires_at, released_at) for key, expires_at, released_at, _ in left]


def _questions(pages: Sequence[_Page]) -> list[int]:
    """What the pages held, beside gold."""
    held = Item.objects.filter(assignment__in=[page.assignment for page in pages])
    return list(held.filter(question__mask__isnull=False).order_by().values_list("question", flat=True))
