"""Pool images as training examples: what earlier rounds accepted in them, and what they only predicted.

Such an image holds some of its objects only. Regions that the round before predicted and nobody accepted may
be objects too, and are not learnt as background (Sec. 4, Training on sparse annotations).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from django.db import connection

from annotation_site.catalog.models import Image, Round
from annotation_site.catalog.sources import image_source
from pipeline.detection import AnnotatedImage
from pipeline.predictions import Rle

MOST_IMAGES = 50_000
"""Pool images that a round learns from: some KB of memory each, more than a training looks at."""

READ_AT_ONCE = 1000

Outline = tuple[int, bytes, float, bool]
"""Category, RLE counts, score s, and whether it is known, of a mask."""

IMAGES = """
SELECT DISTINCT m.image_id FROM catalog_knownobject k JOIN catalog_mask m ON m.id = k.mask_id
WHERE k.round_id = %s ORDER BY 1
"""

OUTLINES = """
SELECT m.image_id, c.coco_id, m.counts, m.score, k.id IS NOT NULL
FROM catalog_mask m
JOIN catalog_tree t ON t.id = m.tree_id AND t.role = 'pool'
JOIN catalog_round r ON r.id = t.round_id AND r.project_id = %(project)s
JOIN catalog_category c ON c.id = t.category_id
LEFT JOIN catalog_knownobject k ON k.mask_id = m.id AND k.round_id = %(round)s
WHERE m.image_id = ANY(%(images)s) AND (k.id IS NOT NULL OR r.number = %(before)s)
ORDER BY m.id
"""


def sparse_images(round_: Round, *, limit: int = MOST_IMAGES) -> Iterator[AnnotatedImage]:
    """Pool images with known objects, by id; of more than `limit` of them a sample, the same each time."""
    chosen = _chosen(round_, limit)
    for start in range(0, len(chosen), READ_AT_ONCE):
        keys = chosen[start : start + READ_AT_ONCE]
        outlines = _outlines(round_, keys)
        for image in Image.objects.filter(pk__in=keys).order_by("id"):
            yield _annotated(image, outlines[image.pk])


def _chosen(round_: Round, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(IMAGES, [round_.pk])
        keys = [key for (key,) in cursor.fetchall()]
    if len(keys) <= limit:
        return keys
    rng = np.random.default_rng([round_.project.seed % 2**63, round_.number])
    return sorted(rng.choice(keys, limit, replace=False).tolist())


def _outlines(round_: Round, keys: list[int]) -> Mapping[int, list[Outline]]:
    found: defaultdict[int, list[Outline]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            OUTLINES,
            {
                "project": round_.project_id,
                "round": round_.pk,
                "before": round_.number - 1,
                "images": keys,
            },
        )
        for image, category, counts, score, is_known in cursor.fetchall():
            found[image].append((category, bytes(counts), score, is_known))
    return found


def _annotated(image: Image, outlines: list[Outline]) -> AnnotatedImage:
    size = [image.height, image.width]
    known = [(category, counts) for category, counts, _, is_known in outlines if is_known]
    ignored = [(counts, score) for _, counts, score, is_known in outlines if not is_known]
    return AnnotatedImage(
        source=image_source(image),
        height=image.height,
        width=image.width,
        categories=np.array([category for category, _ in known], np.int32),
        masks=[Rle(size=size, counts=counts) for _, counts in known],
        crowd=np.zeros(len(known), bool),
        ignored=[Rle(size=size, counts=counts) for counts, _ in ignored],
        ignored_scores=[score for _, score in ignored],
        sparse=True,
    )
