"""Recording an answer, deciding its cluster and opening what follows: one transaction. And undoing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Subquery

from annotation_site.budget import ledger
from annotation_site.people.models import Membership, Standing
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import deciding, questions
from annotation_site.verification.locks import hold_trees, hold_worker
from annotation_site.verification.models import Assignment, Cluster, Item, Judgment, Question, Says
from annotation_site.verification.trust import review_standing
from annotation_site.verification.withdrawing import reconsider
from pipeline.decisions import Verdict

LONGEST_MS = 3_600_000
"""Of a longer look at a mask, only an hour is noted."""
RENEW_AFTER = timedelta(minutes=1)
"""A lease is renewed when that much of it is gone, not at every answer."""


class UnknownItem(Exception):
    """No item of this assignment has that key."""


class UndoTooLate(Exception):
    """The HIT is over: its answers stand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer. Pages must not tell workers more of it than `says` and `remaining`.

    Attributes
    ----------
    says : the answer that stands now; None after an undo
    repeated : it stood before, and this one changed nothing
    late : the HIT was over
    counts : it is evidence on an open cluster, or on the worker
    verdict : what it made of the cluster; None for gold and where it does not count
    remaining : items of the HIT without an answer
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
        item = _held(_locked_item(item_key, assignment_id))
        verb = _answer_gold if item.question.gold_id is not None else _answer_mask
        answer = verb(item, said, min(max(elapsed_ms, 0), LONGEST_MS), at)
        remaining = item.assignment.items.unanswered().count()
        finished = _extend_or_finish(item.assignment, remaining, at)
    if finished:
        review_standing(project_id=item.assignment.project_id, worker_id=item.assignment.worker_id, at=at)
    return replace(answer, remaining=remaining)


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
        item = _locked_item(item_key, assignment_id)
        if not item.assignment.is_live:
            raise UndoTooLate("This HIT is over, and its answers stand.")
        _retract(item, at)
        return Answer(says=None, remaining=item.assignment.items.unanswered().count())


def _locked_item(item_key: UUID, assignment_id: int) -> Item:
    """The item, its assignment locked."""
    stopped = Membership.objects.filter(
        project=OuterRef("assignment__project"),
        worker=OuterRef("assignment__worker"),
        standing=Standing.STOPPED,
    )
    item = (
        Item.objects.select_related("assignment__project", "question")
        .select_for_update(of=("assignment",), no_key=True)
        .filter(~Exists(stopped), key=item_key, assignment=assignment_id)
        .first()
    )
    if item is not None:
        return item
    if Item.objects.filter(key=item_key, assignment=assignment_id).exists():
        raise WorkerStopped("You cannot answer on this project any more. What you did is kept and paid.")
    raise UnknownItem(f"This HIT has no item {item_key}: open the page again.")


def _held(item: Item) -> Item:
    """The item itself; where its HIT is over, the one on the same question that the worker holds now."""
    if item.assignment.is_live:
        return item
    hold_worker(item.assignment.worker_id)
    now = Assignment.objects.live().filter(
        project=item.assignment.project_id, worker=item.assignment.worker_id, items__question=item.question_id
    )
    held = now.values_list("pk", flat=True).first()
    if held is None or item.question.gold_id is not None:
        return item
    again = Item.objects.get(assignment=held, question=item.question_id)
    return _locked_item(again.key, held)


def _answer_gold(item: Item, says: Says, elapsed_ms: int, at: datetime) -> Answer:
    late = not item.assignment.is_live
    new = _insert(item, says, elapsed_ms, at)
    if new and late:
        _pay_late(item, at)
    return Answer(says=_standing(item), repeated=not new, late=late, counts=new)


def _answer_mask(item: Item, says: Says, elapsed_ms: int, at: datetime) -> Answer:
    question, late = item.question, not item.assignment.is_live
    assert question.tree_id is not None
    hold_trees([question.tree_id])
    cluster = _locked_cluster(question)
    if not _insert(item, says, elapsed_ms, at):
        return Answer(says=_standing(item), repeated=True, late=late)
    verdict = None
    if cluster.is_open:
        verdict = deciding.settle(cluster, at=at, returned=None if late else question.pk)
    elif not late:
        questions.give_back([question.pk])
    if late:
        _pay_late(item, at)
    return Answer(says=says, late=late, counts=cluster.is_open, verdict=verdict)


def _locked_cluster(question: Question) -> Cluster:
    """The cluster that the question is asked for, locked; follows it down while others split."""
    pointer = Question.objects.filter(pk=question.pk).values("cluster")
    while True:
        cluster = Cluster.objects.select_for_update(no_key=True).get(pk=Subquery(pointer))
        if pointer[0]["cluster"] == cluster.pk:
            return cluster


INSERT = """
INSERT INTO verification_judgment
  (question_id, worker_id, item_id, says, of_gold, elapsed_ms, at, retracted_because)
VALUES (%s, %s, %s, %s, %s, %s, %s, '') ON CONFLICT DO NOTHING RETURNING id
"""


def _insert(item: Item, says: Says, elapsed_ms: int, at: datetime) -> bool:
    """Whether the judgment is new: no other one of the worker stands."""
    of_gold = item.question.gold_id is not None
    worker = item.assignment.worker_id
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [item.question_id, worker, item.pk, says.value, of_gold, elapsed_ms, at])
        return cursor.fetchone() is not None


def _standing(item: Item) -> str:
    """What the worker said of the item, or earlier of the same mask."""
    standing = Judgment.objects.filter(
        question=item.question_id, worker=item.assignment.worker_id, retracted_at__isnull=True
    )
    own = standing.filter(item=item.pk).values_list("says", flat=True).first()
    return own or standing.values_list("says", flat=True)[0]


def _extend_or_finish(assignment: Assignment, remaining: int, at: datetime) -> bool:
    """Whether that was the last item. Otherwise the lease goes on."""
    if not assignment.is_live:
        return False
    if remaining == 0:
        Assignment.objects.filter(pk=assignment.pk).update(finished_at=at)
        done = assignment.items.count()
        ledger.settle(project_id=assignment.project_id, reference=assignment.reference, done=done, at=at)
        return True
    expires_at = at + timedelta(minutes=assignment.project.lease_minutes)
    if expires_at - assignment.expires_at > RENEW_AFTER:
        Assignment.objects.filter(pk=assignment.pk).update(expires_at=expires_at)
    return False


def _pay_late(item: Item, at: datetime) -> None:
    ledger.settle_late(project_id=item.assignment.project_id, reference=item.reference, at=at)


def _retract(item: Item, at: datetime) -> None:
    question = item.question
    if question.tree_id is not None:
        hold_trees([question.tree_id], alone=True)
    standing = Judgment.objects.filter(item=item.pk, retracted_at__isnull=True)
    undone = standing.update(retracted_at=at, retracted_because="undone by the worker")
    if undone and question.tree_id is not None and question.position is not None:
        questions.take_again(question.pk)
        reconsider(question.tree_id, [question.position], because="an answer was undone", at=at)
