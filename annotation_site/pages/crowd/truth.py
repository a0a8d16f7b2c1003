"""What is right about the items of a page, by ground truth that no page shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from annotation_site.catalog.models import Annotation, Project, Role
from annotation_site.people.qualification.models import AttemptItem
from annotation_site.results.truth import true_iou
from annotation_site.verification.models import Item, Question, Says

TESTS = 2**40
"""Lessons are numbered from here on, questions below."""


class NoGroundTruth(Exception):
    """The pool images have no annotations to answer from."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question and its right answer. `question` is a number that only the same mask has."""

    question: int
    right: Says


def check_ground_truth(project: Project) -> None:
    """Raise NoGroundTruth where nobody could know the right answers."""
    if not Annotation.objects.filter(image__project=project, image__role=Role.POOL).exists():
        raise NoGroundTruth(
            f"A simulated crowd answers from ground truth, and the pool images of {project} have none: "
            "import their annotations, too."
        )


def right_answers(keys: Collection[UUID]) -> dict[UUID, Known]:
    """Item key, of HITs or of the test -> its question and the right answer."""
    asked = AttemptItem.objects.filter(key__in=list(keys)).select_related("lesson").defer("lesson__counts")
    of_test = {item.key: Known(TESTS + item.lesson_id, _of_lesson(item)) for item in asked}
    items = Item.objects.filter(key__in=list(keys)).select_related(
        "question__gold", "question__mask__image", "question__project"
    )
    return of_test | {item.key: Known(item.question_id, _right(item.question)) for item in items}


def _of_lesson(item: AttemptItem) -> Says:
    return Says.YES if item.lesson.is_correct else Says.NO


def _right(question: Question) -> Says:
    gold, mask = question.gold, question.mask
    if mask is None:
        return Says.YES if gold is not None and gold.is_correct else Says.NO
    iou = true_iou(mask, category_id=question.category_id) if mask.iou is None else mask.iou
    return Says.YES if iou >= question.project.k_iou else Says.NO
