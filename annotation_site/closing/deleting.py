"""Deleting a project: asked for by its name, refused while a place is held or work goes on, by a worker.

What is removed goes in an order in which a process may die at any moment: first what stays is written, then
files go, which rows still name, then rows, batch by batch, then the project's own. Whoever goes on begins at
the top and finds what is left.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from functools import partial
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from annotation_site.access.models import Access
from annotation_site.budget import caps
from annotation_site.catalog import jobs
from annotation_site.catalog.models import Project, Tree
from annotation_site.catalog.roles import kept_counts
from annotation_site.catalog.storage import delete_artifacts, writing
from annotation_site.closing import hanging
from annotation_site.closing.models import Deletion
from annotation_site.closing.obstacles import obstacles
from annotation_site.closing.statements import write_statement
from annotation_site.people.models import WorkRecord
from annotation_site.results.formats import answers
from annotation_site.results.formats.choice import Choice
from annotation_site.verification.models import Judgment
from pipeline.progress import Progress, silent

CENT = Decimal("0.01")


class CannotDelete(Exception):
    """A project that cannot be deleted as things stand; the message says why."""


class NotConfirmed(ValueError):
    """What was typed is not the project's name."""


@dataclass(frozen=True, slots=True)
class Goods:
    """What goes with a project, and the images in their own place, of which only rows go."""

    images: int
    in_place: int
    masks: int
    answers: int
    exports: int


def goods_of(project: Project) -> Goods:
    """What people look at before they delete; how many images and answers there are is kept, not counted."""
    images, in_place = map(sum, zip(*kept_counts(project).values(), strict=True))
    trees = Tree.objects.filter(round__project=project)
    records = WorkRecord.objects.filter(membership__project=project)
    return Goods(
        images=images - in_place,
        in_place=in_place,
        masks=trees.aggregate(masks=Sum("n", default=0))["masks"],
        answers=records.aggregate(answers=Sum("answers", default=0))["answers"],
        exports=project.exports.count(),
    )


@transaction.atomic
def ask_for_deletion(
    *, project: Project, name: str, keep_answers: bool, by: User | None, at: datetime
) -> Deletion:
    """Let workers delete an archived project. There is no way back.

    From now on the project exists for nobody, and no money moves on it any more: the caps of its budget are
    what was spent.

    Parameters
    ----------
    name : the project's, as somebody typed it
    keep_answers : keep the answer log with the closing statement
    by : the user; None for the command line

    Raises
    ------
    CannotDelete, NotConfirmed
    """
    held = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    budget = caps.budget_of(held)
    caps.locked_budget(held.pk)
    if found := obstacles(held):
        raise CannotDelete(" ".join(found))
    if name.strip() != held.name.strip():
        raise NotConfirmed(f"Type the name of the project to delete it: {held.name}.")
    _close_books(held)
    Project.objects.filter(pk=held.pk).update(state=Project.State.DELETING)
    project.state = Project.State.DELETING
    deletion = Deletion.objects.create(
        project=held.pk,
        slug=held.slug,
        name=held.name,
        currency=budget.currency,
        asked_by=by.get_username() if by else "command line",
        asked_at=at,
        keeps_answers=keep_answers and Judgment.objects.filter(question__project=held).exists(),
    )
    owners = User.objects.filter(grants__project=held, grants__access=Access.OWNER)
    deletion.owners.set({*owners, *([by] if by else [])})
    return deletion


def _close_books(project: Project) -> None:
    budget = caps.locked_budget(project.pk)
    spent = budget.committed_money.quantize(CENT, ROUND_CEILING)
    caps.change_budget(project=project, questions=budget.committed_questions, money=spent)


def run_deletion(
    deletion: Deletion, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Deletion:
    """Carry out a deletion that waits, or whose process died; one that somebody is at is left alone."""
    jobs.carry_out(deletion, partial(_delete, deletion), also=also, clock=clock)
    return deletion


def stop(deletion: Deletion, *, at: datetime) -> None:
    """Let whoever is at it end after the batch at hand; what is gone stays gone. Safe to repeat."""
    jobs.request_stop(deletion, at=at)


def go_on(deletion: Deletion) -> bool:
    """Let workers go on with one that was stopped or failed; whether it is one."""
    return jobs.try_again(deletion)


def _delete(deletion: Deletion, tell: Progress) -> None:
    project = Project.objects.filter(pk=deletion.project).first()
    if project is None:  # Whoever was at it died with nothing left to do.
        return
    if deletion.keeps_answers and not deletion.answers:
        _keep_answers(project, deletion, tell)
    write_statement(deletion, project)
    delete_artifacts(f"projects/{project.pk}")
    hanging.remove(project, tell)


def _keep_answers(project: Project, deletion: Deletion, tell: Progress) -> None:
    name = f"deleted/{deletion.pk}/{deletion.slug}-answers.csv"
    with tempfile.TemporaryDirectory(prefix="maskgrove-") as scratch:
        path = Path(scratch, "answers.csv")
        answers.write(project, Choice(), path, timezone.now(), tell)
        with path.open("rb") as made, writing(name) as kept:
            shutil.copyfileobj(made, kept)
    jobs.change(deletion, answers=name)
