"""What a project brought and what it cost: derived from the facts, alike for page, command and scripts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, Sum

from annotation_site.catalog.models import Annotation, Category, Project, Role
from annotation_site.results.outcomes import TreeOutcome, one_moment, outcome_of, trees_of
from annotation_site.results.truth import annotated_images, has_truth, tally_of
from annotation_site.verification.models import UNDONE, Judgment
from pipeline.metrics import SECONDS_PER_QUESTION, HumanTime, Tally, total


@dataclass(frozen=True, slots=True)
class CategoryReport:
    """One category's part.

    Attributes
    ----------
    masks : predicted in pool images
    accepted : of them
    questions : answers about them, gold left out
    tally : against ground truth, where there is any
    """

    name: str
    masks: int
    accepted: int
    questions: int
    tally: Tally

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a measure is not defined."""
        return {
            "category": self.name,
            "masks": self.masks,
            "accepted_masks": self.accepted,
            "questions": self.questions,
            "questions_per_accepted_mask": _ratio(self.questions, self.accepted),
            **_measures(self.tally),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The whole project.

    Attributes
    ----------
    categories : by descending number of accepted masks
    questions : answers given, gold and later discarded ones included, those that were undone left out
    gold_questions : of them
    time : people's hours, against drawing
    annotated_images : pool images that precision, SQ and coverage rest on
    is_measured : whether the time of the answers is measured, or 1.4 s each
    """

    project: str
    categories: Sequence[CategoryReport]
    questions: int
    gold_questions: int
    annotated_images: int
    time: HumanTime
    is_measured: bool

    @property
    def accepted(self) -> int:
        """Accepted masks."""
        return sum(category.accepted for category in self.categories)

    @property
    def tally(self) -> Tally:
        """All accepted masks in images with ground truth."""
        return total(category.tally for category in self.categories)

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a measure is not defined."""
        return {
            "project": self.project,
            "accepted_masks": self.accepted,
            **_measures(self.tally),
            "annotated_images": self.annotated_images,
            "questions": self.questions,
            "gold_questions": self.gold_questions,
            "questions_per_accepted_mask": _ratio(self.questions, self.accepted),
            "seconds_per_question": self.time.seconds_per_question,
            "time_is_measured": self.is_measured,
            "initial_masks": self.time.drawn,
            "verification_hours": self.time.verification_hours,
            "initial_hours": self.time.initial_hours,
            "human_hours": self.time.hours,
            "drawing_hours": self.time.drawing_hours,
            "speed_up": _defined(self.time.speed_up),
            "categories": [category.to_json() for category in self.categories],
        }


def report(project: Project) -> Report:
    """The report on a project as its facts stand at this moment."""
    with one_moment():
        outcomes = [outcome_of(tree) for tree in trees_of(project)]
        effort = _effort(project)
        categories = _categories(project, outcomes)
        accepted = sum(category.accepted for category in categories)
        return Report(
            project=project.slug,
            categories=categories,
            questions=effort.questions,
            gold_questions=effort.gold,
            annotated_images=annotated_images(project),
            time=HumanTime(
                questions=effort.questions,
                drawn=_drawn(project),
                accepted=accepted,
                seconds_per_question=effort.seconds_each,
            ),
            is_measured=effort.is_measured,
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """What people did: answers, those about gold, and the seconds of each."""

    questions: int
    gold: int
    seconds: float

    @property
    def is_measured(self) -> bool:
        """Whether the page's clock ran."""
        return self.seconds > 0

    @property
    def seconds_each(self) -> float:
        """Mean time of an answer; the paper's where none was measured."""
        return self.seconds / self.questions if self.is_measured else SECONDS_PER_QUESTION


def _effort(project: Project) -> Effort:
    given = Judgment.objects.filter(question__project=project).exclude(retracted_because=UNDONE)
    found = given.aggregate(
        n=Count("id"), gold=Count("id", filter=Q(question__gold__isnull=False)), ms=Sum("elapsed_ms")
    )
    return Effort(questions=found["n"], gold=found["gold"], seconds=(found["ms"] or 0) / 1000)


def _drawn(project: Project) -> int:
    """Masks of the initial set, which people drew by hand."""
    return Annotation.objects.filter(image__project=project, image__role=Role.INITIAL).count()


def _categories(project: Project, outcomes: Iterable[TreeOutcome]) -> list[CategoryReport]:
    by_category = defaultdict(list)
    for outcome in outcomes:
        by_category[outcome.tree.category_id].append(outcome)
    with_truth = has_truth(project)
    found = [
        _category(category, by_category[category.pk], with_truth, project.k_iou)
        for category in project.categories.all()
    ]
    return sorted(found, key=lambda one: (-one.accepted, -one.masks, one.name))


def _category(
    category: Category, outcomes: Sequence[TreeOutcome], with_truth: bool, k_iou: float
) -> CategoryReport:
    answers = [answer for outcome in outcomes for answer in outcome.answers.values()]
    return CategoryReport(
        name=category.name,
        masks=sum(outcome.tree.n for outcome in outcomes),
        accepted=sum(outcome.accepted for outcome in outcomes),
        questions=sum(answer.yes + answer.no + answer.unsure for answer in answers),
        tally=tally_of(category, outcomes, k_iou=k_iou) if with_truth else Tally(),
    )


def _measures(tally: Tally) -> dict[str, float | None]:
    return {
        "precision": _defined(tally.precision),
        "sq": _defined(tally.sq),
        "coverage": _defined(tally.coverage),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _defined(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
