"""What a project brought and what it cost: derived from the facts, alike for page, command and scripts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from annotation_site.catalog.models import Annotation, Category, Project, Role
from annotation_site.results.outcomes import TreeOutcome, one_moment, outcome_of, trees_of
from annotation_site.results.rounds import RoundReport, round_reports
from annotation_site.results.truth import annotated_images, has_truth, tally_of
from annotation_site.verification.long_tail import tail_categories
from annotation_site.verification.paces import seconds_a_mask
from annotation_site.verification.yields import effort_of, questions_by_category
from pipeline.metrics import HumanTime, Tally, total


@dataclass(frozen=True, slots=True)
class CategoryReport:
    """One category's part.

    Attributes
    ----------
    masks : predicted in pool images
    accepted : of them
    questions : answers given about them, gold left out
    tally : against ground truth, where there is any
    is_tail : has masks but no cluster of more than one
    """

    name: str
    masks: int
    accepted: int
    questions: int
    tally: Tally
    is_tail: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a measure is not defined."""
        return {
            "category": self.name,
            "long_tail": self.is_tail,
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
    questions : answers given, gold among them; see `verification.yields`
    gold_questions : of them
    time : people's hours, against drawing
    annotated_images : pool images that precision, SQ and coverage rest on
    is_measured : whether the page's clock ran; else each answer counts as `paces.seconds_a_mask` says
    rounds : what each brought, in order
    """

    project: str
    categories: Sequence[CategoryReport]
    questions: int
    gold_questions: int
    annotated_images: int
    time: HumanTime
    is_measured: bool
    rounds: Sequence[RoundReport]

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
            "rounds": [round_.to_json() for round_ in self.rounds],
        }


def report(project: Project) -> Report:
    """The report on a project as its facts stand at this moment."""
    with one_moment():
        outcomes = [outcome_of(tree) for tree in trees_of(project)]
        effort = effort_of(project)
        is_measured = effort.seconds > 0
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
                seconds_per_question=effort.seconds / effort.questions
                if is_measured
                else seconds_a_mask(project),
            ),
            is_measured=is_measured,
            rounds=round_reports(project, outcomes, total(one.tally for one in categories)),
        )


def _drawn(project: Project) -> int:
    """Masks of the initial set, which people drew by hand."""
    return Annotation.objects.filter(image__project=project, image__role=Role.INITIAL).count()


def _categories(project: Project, outcomes: Iterable[TreeOutcome]) -> list[CategoryReport]:
    by_category = defaultdict(list)
    for outcome in outcomes:
        by_category[outcome.tree.category_id].append(outcome)
    with_truth, questions = has_truth(project), questions_by_category(project)
    tail = tail_categories(project)
    found = [
        _category(
            category,
            by_category[category.pk],
            questions.get(category.pk, 0),
            with_truth,
            project.k_iou,
            is_tail=category.pk in tail,
        )
        for category in project.categories.all()
    ]
    return sorted(found, key=lambda one: (-one.accepted, -one.masks, one.name))


def _category(
    category: Category,
    outcomes: Sequence[TreeOutcome],
    questions: int,
    with_truth: bool,
    k_iou: float,
    *,
    is_tail: bool,
) -> CategoryReport:
    return CategoryReport(
        name=category.name,
        masks=sum(outcome.tree.n for outcome in outcomes),
        accepted=sum(outcome.accepted for outcome in outcomes),
        questions=questions,
        tally=tally_of(category, outcomes, k_iou=k_iou) if with_truth else Tally(),
        is_tail=is_tail,
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
