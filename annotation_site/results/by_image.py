"""Masks of chosen fates, image by image: what formats with a file an image are written from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connection

from annotation_site.catalog.models import Image, Project, Role
from annotation_site.results.outcomes import Fate, TreeOutcome
from pipeline.predictions import Rle

IMAGES_AT_ONCE = 500

MASKS = """
SELECT image_id, tree_id, position, id, score, x, y, width, height, counts FROM catalog_mask
WHERE image_id = ANY(%s) AND tree_id = ANY(%s) ORDER BY image_id, id
"""


class Outlined(NamedTuple):
    """A mask of an image.

    Attributes
    ----------
    category : COCO id
    box : x, y, width, height in pixels
    rle : of the whole upright image
    """

    id: int
    category: int
    score: float
    box: tuple[float, float, float, float]
    rle: Rle


def masks_by_image(
    project: Project, outcomes: Sequence[TreeOutcome], fates: Collection[Fate], *, every_image: bool = False
) -> Iterator[tuple[Image, list[Outlined]]]:
    """Pool images in the order of their keys, each with its masks of these fates; those without on request.

    In the memory of `IMAGES_AT_ONCE` images.
    """
    trees = {outcome.tree.pk: outcome for outcome in outcomes}
    for images in _images(project):
        found = _masks(images, trees, fates)
        for image in images:
            if (masks := found.get(image.pk, [])) or every_image:
                yield image, masks


def _images(project: Project) -> Iterator[list[Image]]:
    last = 0
    pool = Image.objects.filter(project=project, role=Role.POOL).order_by("pk")
    while images := list(pool.filter(pk__gt=last)[:IMAGES_AT_ONCE]):
        yield images
        last = images[-1].pk


def _masks(
    images: Sequence[Image], trees: dict[int, TreeOutcome], fates: Collection[Fate]
) -> dict[int, list[Outlined]]:
    sizes = {image.pk: [image.height, image.width] for image in images}
    with connection.cursor() as cursor:
        cursor.execute(MASKS, [list(sizes), list(trees)])
        rows = cursor.fetchall()
    return {
        image: list(_wanted(group, sizes[image], trees, fates))
        for image, group in groupby(rows, key=lambda row: row[0])
    }


def _wanted(
    rows: Iterator[tuple[Any, ...]], size: list[int], trees: dict[int, TreeOutcome], fates: Collection[Fate]
) -> Iterator[Outlined]:
    for _, tree, position, key, score, x, y, width, height, counts in rows:
        outcome = trees[tree]
        if outcome.fate(outcome.segment_at(position), position) in fates:
            rle = Rle(size=size, counts=bytes(counts))
            yield Outlined(key, outcome.tree.category.coco_id, score, (x, y, width, height), rle)


by_score = attrgetter("score")
"""Where masks overlap, the better one is on top."""
