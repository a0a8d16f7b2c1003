"""Lessons as pages show them: the crop, the outline over it, the answer, and a line that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from django.urls import reverse

from annotation_site.catalog.models import Category, Project
from annotation_site.pages import crops
from annotation_site.pages.texts import why
from annotation_site.people.qualification.lessons import project_examples
from annotation_site.people.qualification.models import AttemptItem, Lesson
from pipeline import masks


@dataclass(frozen=True, slots=True)
class Figure:
    """A mask with its answer.

    Attributes
    ----------
    box : SVG view box that lays the outline over the crop
    says : the worker's answer, where they gave one
    """

    category: str
    crop: str
    box: str
    outline: str
    is_correct: bool
    why: str
    says: str = ""
    is_right: bool = True

    @classmethod
    def of_example(cls, lesson: Lesson) -> Self:
        """An example of the instructions."""
        return cls._of(lesson, reverse("pages:example", args=[lesson.key]))

    @classmethod
    def of_answer(cls, item: AttemptItem) -> Self:
        """A question of the test with its answer."""
        crop = reverse("pages:test-crop", args=[item.key])
        return cls._of(item.lesson, crop, says=item.says, is_right=item.is_right)

    @classmethod
    def _of(cls, lesson: Lesson, crop: str, *, says: str = "", is_right: bool = True) -> Self:
        frame = crops.frame_of(lesson)
        return cls(
            category=lesson.category.name,
            crop=crop,
            box=f"{frame.x} {frame.y} {frame.width} {frame.height}",
            outline=masks.outline(lesson.rle),
            is_correct=lesson.is_correct,
            why=why(lesson.origin, lesson.category.name),
            says=says,
            is_right=is_right,
        )


@dataclass(frozen=True, slots=True)
class CategoryLesson:
    """What the instructions say of a category: the team's own words, and examples."""

    category: Category
    figures: Sequence[Figure]


def category_lessons(project: Project) -> list[CategoryLesson]:
    """All categories of a project with their examples, in the categories' order."""
    examples = project_examples(project)
    by_category = {pk: list(group) for pk, group in groupby(examples, key=lambda lesson: lesson.category_id)}
    return [
        CategoryLesson(category, [Figure.of_example(lesson) for lesson in by_category.get(category.pk, [])])
        for category in project.categories.all()
    ]
