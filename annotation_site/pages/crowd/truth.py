"""What is right about the items of a page, by ground truth that no page shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from annotation_site.catalog.models import Annotation, Mask, Project, Role
from annotation_site.people.qualification.models import AttemptItem
from annotation_site.verification.models import Item, Question, Says
from pipeline import masks
from pipeline.predictions import Rle

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
    return Says.YES if _iou(mask, question.category_id) >= question.project.k_iou else Says.NO


def _iou(mask: Mask, category_id: int) -> float:
    """The largest IoU with an object of the category."""
    if mask.iou is not None:
        return mask.iou
    objects = Annotation.objects.filter(image=mask.image_id, category=category_id, is_crowd=False)
    size = mask.rle["size"]
    known = [Rle(size=size, counts=bytes(counts)) for counts in objects.values_list("counts", flat=True)]
    return float(masks.iou([mask.rle], known).max(initial=0.0))
