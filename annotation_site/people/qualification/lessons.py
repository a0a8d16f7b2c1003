"""Lessons: real masks by which workers learn the rule, made of some of the held-out images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice

import numpy as np

from annotation_site.catalog.models import Annotation, Project
from annotation_site.people.known_masks import SPOILED, KnownMask, MaskMaker, objects_of, photos_to_use
from annotation_site.people.models import GoldItem
from annotation_site.people.qualification.models import Lesson

SHARE_OF_IMAGES = 4
"""At most one in so many annotated images is for lessons: the others are for gold."""
MOST_IMAGES = 160
OBJECTS_A_CATEGORY = 2
"""Objects whose right and spoiled masks are a category's examples."""
CATEGORIES_WITH_EXAMPLES = 60
TEST_OBJECTS = 40
SPOILED_A_TEST_OBJECT = 2


@dataclass(frozen=True, slots=True)
class Made:
    """How many lessons there are of each kind."""

    examples: int
    right: int
    wrong: int


def make_lessons(*, project: Project, rng: np.random.Generator) -> Made:
    """Make examples of every category and the questions of the test, of images without gold.

    A project that has lessons already keeps them. Each object is used for examples or for the test, never for
    both. Where there are few annotated images gold comes first: fewer than four give no lessons.
    """
    if not Lesson.objects.filter(project=project).exists():
        maker = MaskMaker(project, objects_of(_photos(project, rng)), rng)
        shown = _for_examples(maker)
        examples = _examples(maker, shown)
        tested = [a for a in maker.usable if a.pk not in {other.pk for other in shown}]
        questions = _questions(maker, tested[:TEST_OBJECTS])
        rows = [_lesson(project, made, is_example=True) for made in examples]
        rows += [_lesson(project, made, is_example=False) for made in questions]
        Lesson.objects.bulk_create(rows, ignore_conflicts=True)
    return made_for(project)


def made_for(project: Project) -> Made:
    """What a project has now."""
    own = Lesson.objects.filter(project=project)
    sides = list(own.of_test().values_list("is_correct", flat=True))
    return Made(own.examples().count(), sides.count(True), sides.count(False))


def leave_out(*, lesson: Lesson, at: datetime) -> None:
    """Show or ask a lesson no more."""
    Lesson.objects.filter(pk=lesson.pk, left_out_at__isnull=True).update(left_out_at=at)


def take_back_in(*, lesson: Lesson) -> None:
    """Show or ask a lesson again."""
    Lesson.objects.filter(pk=lesson.pk).update(left_out_at=None)


def gallery(project: Project, *, most: int = 6) -> list[Lesson]:
    """Examples of every kind, right ones first: what a newcomer is shown before anything else."""
    kinds: dict[str, list[Lesson]] = {}
    for lesson in project_examples(project):
        kinds.setdefault(lesson.origin, []).append(lesson)
    order = [GoldItem.Origin.ANNOTATION, *SPOILED]
    rows = islice(
        zip(*(_of_other_categories(kinds.get(kind, []), most) for kind in order), strict=True), most
    )
    chosen = [lesson for row in rows for lesson in row if lesson is not None][:most]
    return sorted(chosen, key=lambda lesson: not lesson.is_correct)


def project_examples(project: Project) -> list[Lesson]:
    """The examples of a project by category, right ones first."""
    own = Lesson.objects.filter(project=project).examples()
    return list(own.select_related("category", "image").order_by("category__coco_id", "-is_correct", "pk"))


def _of_other_categories(lessons: Sequence[Lesson], length: int) -> list[Lesson | None]:
    """One of each category before a second one of any, filled up to a length."""
    seen: dict[int, int] = {}
    turns = []
    for lesson in lessons:
        turns.append(seen.get(lesson.category_id, 0))
        seen[lesson.category_id] = turns[-1] + 1
    ordered = [lesson for _, lesson in sorted(zip(turns, lessons, strict=True), key=lambda pair: pair[0])]
    return [*ordered[:length], *[None] * (length - len(ordered))]


def _photos(project: Project, rng: np.random.Generator) -> list[int]:
    """Images for lessons: at most a quarter of those that could be gold."""
    with_gold = set(GoldItem.objects.filter(project=project).values_list("image", flat=True))
    photos = photos_to_use(project)
    free = [photo for photo in photos if photo not in with_gold]
    count = min(len(photos) // SHARE_OF_IMAGES, MOST_IMAGES)
    return [free[place] for place in rng.permutation(len(free))[:count].tolist()]


def _for_examples(maker: MaskMaker) -> list[Annotation]:
    """Some objects of each category: large ones that little lies before, to be seen well."""
    by_category: dict[int, list[Annotation]] = {}
    for annotation in sorted(maker.usable, key=lambda a: -a.area):
        by_category.setdefault(annotation.category_id, []).append(annotation)
    few = list(by_category.values())[:CATEGORIES_WITH_EXAMPLES]
    return [annotation for objects in few for annotation in _clearest(objects)[:OBJECTS_A_CATEGORY]]


def _clearest(objects: Sequence[Annotation]) -> list[Annotation]:
    """The larger half of some objects, those first that fill most of their box."""
    large = objects[: max(OBJECTS_A_CATEGORY, len(objects) // 2)]
    return sorted(large, key=lambda a: -a.area / (a.width * a.height))


def _examples(maker: MaskMaker, shown: Sequence[Annotation]) -> Iterator[KnownMask]:
    """Each object right; spoiled in as many ways as are needed for all ways to be seen."""
    ways = cycle(SPOILED)
    each = max(1, -(-len(SPOILED) // max(1, len(shown))))
    for annotation in shown:
        yield maker.right(annotation)
        yield from _spoiled(maker, annotation, list(islice(ways, each)))


def _questions(maker: MaskMaker, tested: Sequence[Annotation]) -> Iterator[KnownMask]:
    ways = cycle(SPOILED)
    for annotation in tested:
        yield maker.right(annotation)
        yield from _spoiled(maker, annotation, list(islice(ways, SPOILED_A_TEST_OBJECT)))


def _spoiled(
    maker: MaskMaker, annotation: Annotation, ways: Sequence[GoldItem.Origin]
) -> Iterator[KnownMask]:
    """The object spoiled in those ways, or in others that work, each once."""
    made = [maker.spoiled(annotation, way) for way in ways]
    yield from {spoiled.origin: spoiled for spoiled in made if spoiled is not None}.values()


def _lesson(project: Project, made: KnownMask, *, is_example: bool) -> Lesson:
    return Lesson(project=project, is_example=is_example, **made.columns())
