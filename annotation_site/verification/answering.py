"""Recording an answer, deciding its cluster and opening what follows: one transaction. And undoing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from annotation_site.budget import ledger
from annotation_site.verification import deciding, questions
from annotation_site.verification.holding import (
    Held,
    UnknownItem,
    answer_since,
    held_now,
    hold_cluster,
    hold_item,
    record,
    refuse_stopped,
    remaining,
    standing_answer,
)
from annotation_site.verification.keeping import keep_work
from annotation_site.verification.locks import hold_trees, hold_worker
from annotation_site.verification.models import UNDONE, Assignment, Item, Judgment, Says
from annotation_site.verification.releasing import work_of
from annotation_site.verification.trust import review_standing
from annotation_site.verification.withdrawing import reconsider
from pipeline.decisions import Verdict

__all__ = ["Answer", "UndoTooLate", "UnknownItem", "record_answer", "undo_answer"]

LONGEST_MS = 3_600_000
"""Of a longer look at a mask, only an hour is noted."""
RENEW_AFTER = timedelta(minutes=1)
"""A lease is renewed when that much of it is gone, not at every answer."""


class UndoTooLate(Exception):
    """The HIT is over: its answers stand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer. Pages must not tell workers more of it than `says` and `remaining`.

    Attributes
    ----------
    says : the answer that stands now; None after an undo
    repeated : it stood before, and this one changed nothing
    late : the HIT that was addressed was over
    counts : it is evidence on an open cluster, or on the worker
    verdict : what it made of the cluster; None for gold and where it does not count
    remaining : items of the HIT that was addressed without an answer
    """

    says: str | None
    repeated: bool = False
    late: bool = False
    counts: bool = False
    verdict: Verdict | None = None
    remaining: int = 0

    @property
    def finished(self) -> bool:
        return self.remaining == 0


def record_answer(*, item_key: UUID, assignment_id: int, says: str, elapsed_ms: int, at: datetime) -> Answer:
    """Record what a worker says of an item, decide its cluster if that settles it, open what follows.

    Safe to repeat: while an answer stands, the same one or another changes nothing. An answer that comes
    after its lease is kept, counts where it still can, and says so.

    Raises
    ------
    UnknownItem
        When the assignment has no such item.
    WorkerStopped
        When the worker may not answer any more.
    ValueError
        When `says` is none of yes, no, unsure.
    """
    said = Says(says)
    with transaction.atomic():
        addressed = hold_item(item_key, assignment_id, with_tree=True)
        held = _held(addressed)
        verb = _answer_gold if held.tree is None else _answer_mask
        answer = verb(held, said, min(max(elapsed_ms, 0), LONGEST_MS), at)
        finished = _extend_or_finish(held, answer.remaining, at)
    if finished:
        review_standing(project_id=held.project, worker_id=held.worker, at=at)
    elif answer.late and not answer.repeated:
        keep_work(project_id=held.project, workers=[held.worker])
    if held is addressed:
        return answer
    return replace(answer, late=True, remaining=remaining(addressed.assignment))


def undo_answer(*, item_key: UUID, assignment_id: int, at: datetime) -> Answer:
    """Take back the answer to an item of a HIT that is not over; a decision that rested on it is withdrawn.

    Safe to repeat: without an answer there is nothing to undo.

    Raises
    ------
    UnknownItem, WorkerStopped
        As `record_answer`.
    UndoTooLate
        When the HIT is finished or was given back.
    """
    with transaction.atomic():
        held = hold_item(item_key, assignment_id, with_tree=False)
        if not held.is_live:
            raise UndoTooLate("This HIT is over, and its answers stand.")
        _retract(held, at)
        return Answer(says=None, remaining=remaining(held.assignment))


def _held(held: Held) -> Held:
    """The item itself; where its HIT is over, the one on the same question that the worker holds now."""
    if held.is_live:
        return held
    hold_worker(held.worker)
    now = held_now(held)
    return held if now is None else hold_item(*now, with_tree=True)


def _answer_gold(held: Held, says: Says, elapsed_ms: int, at: datetime) -> Answer:
    late = not held.is_live
    if late:
        refuse_stopped(held)  # As of masks: what is told in that moment must not tell one from the other.
    if late and (stands := answer_since(held)):  # It may come again, but not because it was left.
        return _repeated(held, stands)
    left = record(held, says, elapsed_ms=elapsed_ms, at=at)
    if left is None:
        return _repeated(held, standing_answer(held))
    if late:
        _pay_late(held, elapsed_ms, at)
    return Answer(says=says, late=late, counts=True, remaining=left)


def _repeated(held: Held, stands: str | None) -> Answer:
    return Answer(says=stands, repeated=True, late=not held.is_live, remaining=remaining(held.assignment))


def _answer_mask(held: Held, says: Says, elapsed_ms: int, at: datetime) -> Answer:
    assert held.tree is not None
    late, verdict = not held.is_live, None
    if late:
        hold_trees([held.tree])
        refuse_stopped(held)
    cluster, is_open = hold_cluster(held.question)
    while (left := record(held, says, elapsed_ms=elapsed_ms, at=at, cluster=cluster)) is None:
        if stands := standing_answer(held):
            return _repeated(held, stands)
        # A split handed the question to a child while this waited for the cluster: follow it down.
        cluster, is_open = hold_cluster(held.question)
    if is_open:
        verdict = deciding.settle(cluster, at=at, returned=None if late else held.question)
    elif not late:
        questions.give_back([held.question])
    if late:
        _pay_late(held, elapsed_ms, at)
    return Answer(says=says, late=late, counts=is_open, verdict=verdict, remaining=left)


def _extend_or_finish(held: Held, left: int, at: datetime) -> bool:
    """Whether that was the last item. Otherwise the lease goes on."""
    assignments = Assignment.objects.filter(pk=held.assignment)
    if not held.is_live:
        return False
    if left == 0:
        assignments.update(finished_at=at)
        done, seconds = work_of(held.assignment)
        ledger.settle(
            project_id=held.project,
            reference=Assignment(pk=held.assignment).reference,
            done=done,
            seconds=seconds,
            payee=held.worker,
            at=at,
        )
        return True
    expires_at = at + timedelta(minutes=held.lease_minutes)
    if expires_at - held.expires_at > RENEW_AFTER:
        assignments.update(expires_at=expires_at)
    return False


def _pay_late(held: Held, elapsed_ms: int, at: datetime) -> None:
    """Pay for an answer whose HIT is settled, unless an earlier one to the same item was paid with it."""
    earlier = Judgment.objects.filter(item=held.item, retracted_at__isnull=False)
    if earlier.exclude(retracted_because=UNDONE).exists():
        return
    ledger.settle_late(
        project_id=held.project,
        reference=Item(pk=held.item).reference,
        hit=Assignment(pk=held.assignment).reference,
        seconds=Decimal(elapsed_ms) / 1000,
        payee=held.worker,
        at=at,
    )


def _retract(held: Held, at: datetime) -> None:
    if held.tree is not None:
        hold_trees([held.tree], alone=True)
    standing = Judgment.objects.filter(item=held.item, retracted_at__isnull=True)
    undone = standing.update(retracted_at=at, retracted_because=UNDONE)
    if undone and held.tree is not None and held.position is not None:
        questions.take_again(held.question)
        reconsider(held.tree, [held.position], because="an answer was undone", at=at)
