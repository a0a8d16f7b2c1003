"""A HIT ends before its end: what was not answered is asked again, what was is paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Max, Sum
from django.db.models.functions import Least

from annotation_site.budget import ledger
from annotation_site.budget.terms import Partial
from annotation_site.people.models import Worker
from annotation_site.verification import questions
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Assignment, Judgment

MS = timedelta(milliseconds=1)


@transaction.atomic
def release_live(*, project_id: int, worker_id: int, at: datetime, partial: Partial | None = None) -> bool:
    """End the HIT that a worker holds; whether there was one. `partial` as for `release`."""
    assignment = held_live(project_id=project_id, worker_id=worker_id)
    if assignment is not None:
        release(assignment, at=at, partial=partial)
    return assignment is not None


@transaction.atomic
def release_page(assignment_id: int, *, at: datetime) -> bool:
    """End one HIT before its end, if it is not over; whether that was so."""
    live = Assignment.objects.live().filter(pk=assignment_id).select_for_update(no_key=True).first()
    if live is not None:
        release(live, at=at)
    return live is not None


def held_live(*, project_id: int, worker_id: int) -> Assignment | None:
    """The HIT that a worker holds, locked; None where there is none."""
    live = Assignment.objects.live().filter(project=project_id, worker=worker_id)
    return live.select_for_update(no_key=True).first()


def release(assignment: Assignment, *, at: datetime, partial: Partial | None = None) -> None:
    """Give back what a locked assignment has left, and settle what was answered.

    Parameters
    ----------
    partial : what is paid for it, instead of what the budget says of unfinished HITs
    """
    left = list(assignment.items.unanswered().values_list("question", "question__tree"))
    masks = [(question, tree) for question, tree in left if tree is not None]
    hold_trees(tree for _, tree in masks)
    questions.give_back([question for question, _ in masks])
    Assignment.objects.filter(pk=assignment.pk).update(released_at=at)
    done, seconds = work_of(assignment.pk)
    ledger.settle(
        project_id=assignment.project_id,
        reference=assignment.reference,
        done=done,
        seconds=seconds,
        partial=partial,
        payee=assignment.worker_id,
        at=at,
    )


def work_of(assignment_id: int) -> tuple[int, Decimal]:
    """Answered items of a HIT, and the seconds they took, of each no more than is paid by the hour.

    Pages may say what they like: of all no more than went by from the opening of the HIT to its last answer.
    Programs of this site's own, which answer faster than they say, are believed.
    """
    opened_at, longest, provider = Assignment.objects.values_list(
        "opened_at", "project__budget__longest_seconds", "worker__provider"
    ).get(pk=assignment_id)
    answers = Judgment.objects.counting().filter(item__assignment=assignment_id)
    found = answers.aggregate(
        done=Count("pk"), ms=Sum(Least("elapsed_ms", longest * 1000), default=0), last=Max("at")
    )
    ms = found["ms"]
    if found["done"] and provider != Worker.SIMULATED:
        ms = min(ms, max(0, (found["last"] - opened_at) // MS))
    return found["done"], Decimal(ms) / 1000
