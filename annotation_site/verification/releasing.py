"""A HIT ends before its end: what was not answered is asked again, what was is paid."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.budget import ledger
from annotation_site.verification import questions
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Assignment


@transaction.atomic
def release_live(*, project_id: int, worker_id: int, at: datetime) -> bool:
    """End the HIT that a worker holds; whether there was one."""
    assignment = held_live(project_id=project_id, worker_id=worker_id)
    if assignment is not None:
        release(assignment, at=at)
    return assignment is not None


def held_live(*, project_id: int, worker_id: int) -> Assignment | None:
    """The HIT that a worker holds, locked; None where there is none."""
    live = Assignment.objects.live().filter(project=project_id, worker=worker_id)
    return live.select_for_update(no_key=True).first()


def release(assignment: Assignment, *, at: datetime) -> None:
    """Give back what a locked assignment has left, and settle what was answered."""
    left = list(assignment.items.unanswered().values_list("question", "question__tree"))
    masks = [(question, tree) for question, tree in left if tree is not None]
    hold_trees(tree for _, tree in masks)
    questions.give_back([question for question, _ in masks])
    Assignment.objects.filter(pk=assignment.pk).update(released_at=at)
    done = assignment.items.count() - len(left)
    ledger.settle(project_id=assignment.project_id, reference=assignment.reference, done=done, at=at)
