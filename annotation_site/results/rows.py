"""Masks and images as plain rows, a part at a time however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from annotation_site.catalog.models import Project, Replacement, Role

AT_ONCE = 4096
UNKNOWN = -(2**63)
"""In the place of a COCO id where an image has none."""

WITHIN = "FROM catalog_mask WHERE tree_id = %s AND position >= %s AND position < %s ORDER BY position"
MASKS = (
    "SELECT id, position, image_id, x, y, width, height, counts, class_score, predicted_iou, score " + WITHIN
)
PLACES = "SELECT position, image_id " + WITHIN
SIZES = """
SELECT id, height, width, coalesce(coco_id, %s) FROM catalog_image
WHERE project_id = %s AND role = %s AND id > %s ORDER BY id LIMIT %s
"""


class MaskRow(NamedTuple):
    """A row of the masks' table."""

    id: int
    position: int
    image: int
    x: float
    y: float
    width: float
    height: float
    counts: bytes
    class_score: float
    predicted_iou: float
    score: float


def masks_within(tree: int, lo: int, hi: int) -> Iterator[list[MaskRow]]:
    """The masks of the leaves [lo, hi), in order, some at a time."""
    for rows in _parts(MASKS, tree, lo, hi):
        yield [MaskRow(*row) for row in rows]


def places_within(tree: int, lo: int, hi: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(m,) positions and (m,) image ids of the leaves [lo, hi), in order, some at a time."""
    for rows in _parts(PLACES, tree, lo, hi):
        found = np.array(rows, dtype=np.int64).reshape(-1, 2)
        yield found[:, 0], found[:, 1]


def _parts(statement: str, tree: int, lo: int, hi: int) -> Iterator[list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        for start in range(lo, hi, AT_ONCE):
            cursor.execute(statement, [tree, start, min(start + AT_ONCE, hi)])
            yield cursor.fetchall()


@dataclass(frozen=True, slots=True)
class ImageTable:
    """The pool images of a project: some 25 bytes each.

    Attributes
    ----------
    keys : (n,) int64 primary keys, ascending
    heights, widths : (n,) int32
    coco_ids : (n,) int64; the primary keys unless every image has a COCO id of its own
    """

    keys: NDArray[np.int64]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    coco_ids: NDArray[np.int64]

    @classmethod
    def of(cls, project: Project) -> Self:
        """Read it."""
        table = np.concatenate([np.zeros((0, 4), np.int64), *_sizes(project)])
        keys, coco_ids = table[:, 0], table[:, 3]
        are_own = (coco_ids != UNKNOWN).all() and len(np.unique(coco_ids)) == len(keys)
        return cls(
            keys=keys,
            heights=table[:, 1].astype(np.int32),
            widths=table[:, 2].astype(np.int32),
            coco_ids=coco_ids if are_own else keys,
        )

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) primary keys -> (m,) rows of this table."""
        return np.searchsorted(self.keys, keys).astype(np.int64)


def _sizes(project: Project) -> Iterator[NDArray[np.int64]]:
    last = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(SIZES, [UNKNOWN, project.pk, Role.POOL, last, AT_ONCE])
            rows = cursor.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield np.array(rows, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ReplacedMasks:
    """Which masks of earlier rounds show the same object as a later one; `any` is False for most projects."""

    any: bool

    @classmethod
    def of(cls, project: Project) -> Self:
        """Whether it is worth asking."""
        return cls(Replacement.objects.filter(mask__tree__round__project=project).exists())

    def by(self, masks: Sequence[int]) -> dict[int, list[int]]:
        """Primary key -> those of the masks that it replaces once it is accepted, ascending."""
        found: dict[int, list[int]] = {}
        if self.any:
            rows = Replacement.objects.filter(mask__in=masks).order_by("earlier")
            for mask, earlier in rows.values_list("mask", "earlier"):
                found.setdefault(mask, []).append(earlier)
        return found
