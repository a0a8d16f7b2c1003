"""Objects that earlier rounds accepted: predictions of them are not asked about, or may replace them.

Two masks of the same category and image show the same object when their IoU is above the round's `same_iou`;
with the default of 0.5 no mask can show two objects that do not overlap. Of the predictions of a known object
at most one is asked about: the best, and only when its score is at least `better_by` above the known mask's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from annotation_site.catalog.gathering import CategoryRows
from annotation_site.catalog.models import Category, Round
from pipeline import masks
from pipeline.predictions import Rle

IMAGES_AT_ONCE = 500

KNOWN = """
SELECT m.id, m.image_id, m.score, i.height, i.width, m.counts
FROM catalog_knownobject k
JOIN catalog_mask m ON m.id = k.mask_id
JOIN catalog_tree t ON t.id = m.tree_id AND t.category_id = %s
JOIN catalog_image i ON i.id = m.image_id
WHERE k.round_id = %s AND m.image_id = ANY(%s) ORDER BY m.id
"""

REPLACE = """
INSERT INTO catalog_replacement (mask_id, earlier_id, iou)
SELECT m.id, e.id, new.iou
FROM unnest(%(positions)s::int[], %(earlier)s::bigint[], %(ious)s::float8[]) AS new(position, earlier, iou)
JOIN catalog_mask m ON m.tree_id = %(tree)s AND m.position = new.position
CROSS JOIN LATERAL (
  SELECT new.earlier AS id
  UNION SELECT r.earlier_id FROM catalog_replacement r WHERE r.mask_id = new.earlier
) e
"""
"""What a mask replaces, and what that one had replaced before it."""


@dataclass(frozen=True, slots=True)
class Known:
    """An object that the round need not find."""

    mask: int
    score: float
    rle: Rle


@dataclass(frozen=True, slots=True)
class Recognised:
    """What n predictions say of objects that are known.

    Attributes
    ----------
    left_out : (n,) bool, shows a known object and is not to be asked about
    rows, earlier, ious : (m,) predictions that may replace a known mask, its primary key, the IoU of the two
    """

    left_out: NDArray[np.bool_]
    rows: NDArray[np.int64]
    earlier: NDArray[np.int64]
    ious: NDArray[np.float64]

    def kept_rows(self) -> NDArray[np.int64]:
        """(m,) `rows` as they are numbered once the others are left out."""
        return (np.cumsum(~self.left_out) - 1)[self.rows]


def recognise(found: CategoryRows, round_: Round, category: Category) -> Recognised:
    """Compare predictions of a category with the round's known objects, some images at a time."""
    left_out = np.zeros(len(found), bool)
    better: list[tuple[int, int, float]] = []
    if round_.known.exists():
        scores = found.scores
        for rows, known in _by_image(found, round_, category):
            group = _Group(rows, known, masks.iou(found.rles(rows), [one.rle for one in known]))
            left_out[group.same(round_.same_iou)] = True
            better += group.better(scores, round_)
    kept = np.array([row for row, _, _ in better], np.int64)
    left_out[kept] = False
    return Recognised(
        left_out=left_out,
        rows=kept,
        earlier=np.array([mask for _, mask, _ in better], np.int64),
        ious=np.array([iou for *_, iou in better], np.float64),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """The predictions (k rows) and the known objects (m) of one image, and their (k, m) IoU."""

    rows: NDArray[np.int64]
    known: list[Known]
    iou: NDArray[np.float64]

    def same(self, threshold: float) -> NDArray[np.int64]:
        """Rows that show one of the objects."""
        shown: NDArray[np.int64] = self.rows[self.iou.max(axis=1) > threshold]
        return shown

    def better(self, scores: NDArray[np.floating], round_: Round) -> Iterator[tuple[int, int, float]]:
        """(row, mask, IoU) of the best prediction of each object, where it is better than what is known."""
        nearest = self.iou.argmax(axis=1)
        for column, known in enumerate(self.known):
            places = np.flatnonzero((nearest == column) & (self.iou[:, column] > round_.same_iou))
            if not len(places):
                continue
            best = places[np.argmax(scores[self.rows[places]])]
            if scores[self.rows[best]] >= known.score + round_.better_by:
                yield int(self.rows[best]), known.mask, float(self.iou[best, column])


def _by_image(
    found: CategoryRows, round_: Round, category: Category
) -> Iterator[tuple[NDArray[np.int64], list[Known]]]:
    """Rows and known objects of each image that has both."""
    order = np.argsort(found.images, kind="stable")
    images, first = np.unique(found.images[order], return_index=True)
    groups = dict(zip(images.tolist(), np.split(order, first[1:]), strict=True))
    for start in range(0, len(images), IMAGES_AT_ONCE):
        some = images[start : start + IMAGES_AT_ONCE].tolist()
        for image, known in _known(round_, category, some).items():
            yield groups[image], known


def _known(round_: Round, category: Category, images: list[int]) -> Mapping[int, list[Known]]:
    known: defaultdict[int, list[Known]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [category.pk, round_.pk, images])
        for mask, image, score, height, width, counts in cursor.fetchall():
            known[image].append(Known(mask, score, Rle(size=[height, width], counts=bytes(counts))))
    return known


def note_replacements(tree_id: int, positions: NDArray[np.integer], recognised: Recognised) -> None:
    """Record which masks of a tree may replace which; `positions` are the leaves of `recognised.rows`."""
    if not len(positions):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            REPLACE,
            {
                "tree": tree_id,
                "positions": positions.tolist(),
                "earlier": recognised.earlier.tolist(),
                "ious": recognised.ious.tolist(),
            },
        )
