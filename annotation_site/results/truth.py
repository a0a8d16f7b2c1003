"""Accepted masks against ground truth, where pool images have any: what their annotations are for.

A pool image counts as annotated when it was imported with a COCO file that lists it: what that file does
not outline there is not there. Masks and annotations of a category stream past, one image at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from annotation_site.catalog.models import Annotation, Category, Mask, Project, Role
from annotation_site.results.outcomes import TreeOutcome
from annotation_site.verification.models import Decision
from pipeline.metrics import Tally, best_ious, tally, total
from pipeline.predictions import Rle

AT_ONCE = 2000

ACCEPTED = """
SELECT m.image_id, i.height, i.width, m.counts, m.tree_id, m.position
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS segment(tree, lo, hi)
JOIN catalog_mask m
  ON m.tree_id = segment.tree AND m.position >= segment.lo AND m.position < segment.hi
JOIN catalog_image i ON i.id = m.image_id AND i.role = 'pool' AND i.coco_id IS NOT NULL
ORDER BY m.image_id, m.id
"""

OBJECTS = """
SELECT a.image_id, i.height, i.width, a.counts, a.is_crowd
FROM catalog_annotation a
JOIN catalog_image i ON i.id = a.image_id AND i.role = 'pool' AND i.coco_id IS NOT NULL
WHERE a.category_id = %s
ORDER BY a.image_id, a.id
"""


class Outlined(NamedTuple):
    """An accepted mask (`crowd` None), or an object of the ground truth."""

    image: int
    mask: Rle
    crowd: bool | None


def has_truth(project: Project) -> bool:
    """Whether any pool image has an annotation."""
    return Annotation.objects.filter(image__project=project, image__role=Role.POOL).exists()


def annotated_images(project: Project) -> int:
    """How many pool images the measures rest on."""
    if not has_truth(project):
        return 0
    return project.images.filter(role=Role.POOL, coco_id__isnull=False).count()


def true_iou(mask: Mask, *, category_id: int) -> float:
    """The largest IoU of a mask with an object of the category in its image; 0 without any.

    Masks of the pool do not carry it: their annotations may be imported after them.
    """
    objects = Annotation.objects.filter(image=mask.image_id, category=category_id, is_crowd=False)
    size = mask.rle["size"]
    known = [Rle(size=size, counts=bytes(counts)) for counts in objects.values_list("counts", flat=True)]
    return float(best_ious([mask.rle], known)[0])


def tally_of(
    category: Category, outcomes: Sequence[TreeOutcome], *, k_iou: float, until: int | None = None
) -> Tally:
    """The tally of a category's accepted masks in annotated pool images: of those that count, or that counted
    when round `until` ended."""
    everything = merge(_accepted(outcomes, until), _objects(category), key=itemgetter(0))
    by_image = groupby(everything, key=itemgetter(0))
    return total(_tally(list(outlined), k_iou) for _, outlined in by_image)


def _tally(outlined: Sequence[Outlined], k_iou: float) -> Tally:
    """The tally of one image."""
    accepted = [one.mask for one in outlined if one.crowd is None]
    crowd = [one.crowd for one in outlined if one.crowd is not None]
    truth = [one.mask for one in outlined if one.crowd is not None]
    return tally(accepted, truth, k_iou=k_iou, crowd=np.array(crowd, dtype=np.bool_))


def _accepted(outcomes: Sequence[TreeOutcome], until: int | None) -> Iterator[Outlined]:
    accepted = [part for outcome in outcomes for part in accepted_parts(outcome)]
    parameters = [[getattr(part, name) for part in accepted] for name in Part._fields]
    passed_over = {(one.tree.pk, position) for one in outcomes for position in passed_over_in(one, until)}
    for image, height, width, counts, tree, position in _stream(ACCEPTED, parameters):
        if (tree, position) not in passed_over:
            yield Outlined(image, Rle(size=[height, width], counts=bytes(counts)), None)


class Part(NamedTuple):
    """Leaves [lo, hi) of a tree."""

    tree: int
    lo: int
    hi: int


def accepted_parts(outcome: TreeOutcome) -> Iterator[Part]:
    """Accepted segments, and masks elsewhere that an admin accepted one by one."""
    accepting = [one for one in outcome.pieces if one.verdict == Decision.Verdict.ACCEPT]
    within = [range(one.lo, one.hi) for one in accepting]
    yield from (Part(outcome.tree.pk, one.lo, one.hi) for one in accepting)
    for position, one in outcome.ruled.items():
        if one.verdict == Decision.Verdict.ACCEPT and not any(position in part for part in within):
            yield Part(outcome.tree.pk, position, position + 1)


def passed_over_in(outcome: TreeOutcome, until: int | None) -> set[int]:
    """Positions within accepted segments that are rejected all the same, or replaced by round `until`."""
    replaced = {at for at, by in outcome.replaced.items() if until is None or by <= until}
    return replaced | _refused(outcome)


def _refused(outcome: TreeOutcome) -> set[int]:
    """Positions within accepted segments that are rejected all the same."""
    ruled = outcome.ruled
    by_people = {position for position in outcome.refused if position not in ruled}
    return by_people | {at for at, one in ruled.items() if one.verdict == Decision.Verdict.REJECT}


def _objects(category: Category) -> Iterator[Outlined]:
    for image, height, width, counts, is_crowd in _stream(OBJECTS, [category.pk]):
        yield Outlined(image, Rle(size=[height, width], counts=bytes(counts)), is_crowd)


def _stream(statement: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, fetched by a cursor of the server some at a time."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from rows
