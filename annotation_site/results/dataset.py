"""What a project's accepted masks look like as a dataset, beside its initial set (Sec. 6, Fig. 11 and 12).

Counting reads every accepted mask once. It goes on tree by tree, so that a page can ask for as much as fits
into a moment and show how far it is; what was counted is kept for as long as no fact has changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db import connection
from django.db.models import Count
from numpy.typing import NDArray

from annotation_site.catalog.models import Annotation, Project, Role
from annotation_site.results.measured import HELD_SECONDS, digest, facts
from annotation_site.results.outcomes import TreeOutcome, outcome_of, trees_of
from annotation_site.results.truth import accepted_parts, passed_over_in

CELLS = 32
"""Rows and columns of the map of centres, in normalised coordinates of the photo."""
SIDES = 20
"""Bars of the sizes: of 0.05 of the photo's side each."""
MOST_PER_IMAGE = 30
"""The last bar of the masks per image holds all beyond."""

SHAPES = """
SELECT m.position, m.image_id,
  (m.x + m.width / 2) / i.width, (m.y + m.height / 2) / i.height,
  sqrt(m.width * m.height / (i.width::float8 * i.height))
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS part(tree, lo, hi)
JOIN catalog_mask m ON m.tree_id = part.tree AND m.position >= part.lo AND m.position < part.hi
JOIN catalog_image i ON i.id = m.image_id
"""
DRAWN = """
SELECT 0, a.image_id, (a.x + a.width / 2) / i.width, (a.y + a.height / 2) / i.height,
  sqrt(a.width * a.height / (i.width::float8 * i.height))
FROM catalog_annotation a JOIN catalog_image i ON i.id = a.image_id
WHERE i.project_id = %s AND i.role = 'initial' AND NOT a.is_crowd
"""


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Counts over masks, to be added up.

    Attributes
    ----------
    centres : (CELLS, CELLS) int64 by row and column of the mask's centre
    sizes : (SIDES,) int64 by the root of the box's share of the photo
    images : (n,) int64 the image of each mask
    """

    centres: NDArray[np.int64] = field(default_factory=lambda: np.zeros((CELLS, CELLS), np.int64))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SIDES, np.int64))
    images: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __add__(self, other: Shapes) -> Shapes:
        return Shapes(
            self.centres + other.centres,
            self.sizes + other.sizes,
            np.concatenate([self.images, other.images]),
        )

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Shapes:
        """(n, 5) rows of position, image, centre's x and y, side -> their counts."""
        across, down = (np.clip((rows[:, i] * CELLS).astype(np.int64), 0, CELLS - 1) for i in (2, 3))
        side = np.clip((rows[:, 4] * SIDES).astype(np.int64), 0, SIDES - 1)
        return cls(
            centres=np.bincount(down * CELLS + across, minlength=CELLS**2).reshape(CELLS, CELLS),
            sizes=np.bincount(side, minlength=SIDES),
            images=rows[:, 1].astype(np.int64),
        )

    @property
    def per_image(self) -> list[int]:
        """Images with 1, 2, ... `MOST_PER_IMAGE` masks or more."""
        _, counts = np.unique(self.images, return_counts=True)
        found = np.bincount(np.minimum(counts, MOST_PER_IMAGE), minlength=MOST_PER_IMAGE + 1)
        return [int(n) for n in found[1:]]


@dataclass(frozen=True, slots=True)
class SetFigures:
    """One set of masks in plain values; see `Shapes`."""

    masks: int
    images: int
    per_image: Sequence[int]
    centres: Sequence[Sequence[int]]
    sizes: Sequence[int]

    @classmethod
    def of(cls, shapes: Shapes) -> SetFigures:
        """Read them off."""
        return cls(
            masks=len(shapes.images),
            images=len(np.unique(shapes.images)),
            per_image=shapes.per_image,
            centres=shapes.centres.tolist(),
            sizes=shapes.sizes.tolist(),
        )


@dataclass(frozen=True, slots=True)
class DatasetFigures:
    """The accepted masks, the initial set, and both by category (name, accepted, initial)."""

    accepted: SetFigures
    initial: SetFigures
    categories: Sequence[tuple[str, int, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """How far counting is: trees done of all, and the figures once it is through."""

    done: int
    of: int
    figures: DatasetFigures | None = None
    _shapes: Shapes = field(default_factory=Shapes)
    _accepted: Mapping[int, int] = field(default_factory=dict)


def count_on(project: Project, *, seconds: float) -> Counting:
    """Go on counting for about so long; a tree is counted in one go.

    Safe to ask by several at once, each of whom takes it further.
    """
    key = f"maskgrove:dataset:{project.pk}:{digest(facts(project))}"
    trees = list(trees_of(project))
    counting: Counting = cache.get(key) or Counting(0, len(trees))
    if counting.figures is not None:
        return counting
    began = time.monotonic()
    for tree in trees[counting.done :]:
        counting = _with(counting, outcome_of(tree))
        if time.monotonic() - began > seconds:
            break
    if counting.done == counting.of:
        counting = Counting(counting.done, counting.of, _figures(project, counting))
    cache.set(key, counting, HELD_SECONDS)
    return counting


def _with(counting: Counting, outcome: TreeOutcome) -> Counting:
    shapes = _accepted_shapes(outcome)
    category = outcome.tree.category_id
    accepted = {**counting._accepted, category: counting._accepted.get(category, 0) + len(shapes.images)}
    return replace(counting, done=counting.done + 1, _shapes=counting._shapes + shapes, _accepted=accepted)


def _accepted_shapes(outcome: TreeOutcome) -> Shapes:
    parts = list(accepted_parts(outcome))
    rows = _rows(SHAPES, [[getattr(part, name) for part in parts] for name in ("tree", "lo", "hi")])
    passed_over = np.fromiter(passed_over_in(outcome, None), dtype=np.int64)
    return Shapes.of(rows[~np.isin(rows[:, 0].astype(np.int64), passed_over)])


def _figures(project: Project, counting: Counting) -> DatasetFigures:
    drawn = Annotation.objects.filter(image__project=project, image__role=Role.INITIAL, is_crowd=False)
    initial = dict(drawn.values_list("category").annotate(n=Count("id")).order_by())
    rows = [
        (category.name, counting._accepted.get(category.pk, 0), initial.get(category.pk, 0))
        for category in project.categories.all()
    ]
    return DatasetFigures(
        accepted=SetFigures.of(counting._shapes),
        initial=SetFigures.of(Shapes.of(_rows(DRAWN, [project.pk]))),
        categories=sorted(
            (row for row in rows if row[1] or row[2]), key=lambda row: (-row[1], -row[2], row[0])
        ),
    )


def _rows(statement: str, parameters: Sequence[Any]) -> NDArray[np.float64]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 5)


Table = Iterator[Sequence[object]]


def tables(figures: DatasetFigures) -> dict[str, Table]:
    """Chart -> its numbers, a header first."""
    return {
        "per-image": _per_image(figures),
        "centres": _centres(figures),
        "sizes": _sizes(figures),
        "categories": _categories(figures),
    }


def _per_image(figures: DatasetFigures) -> Table:
    yield ("masks", "images_accepted", "images_initial")
    for n, pair in enumerate(zip(figures.accepted.per_image, figures.initial.per_image, strict=True), 1):
        yield (n, *pair)


def _centres(figures: DatasetFigures) -> Table:
    yield ("x_from", "y_from", "accepted", "initial")
    for row in range(CELLS):
        for column in range(CELLS):
            sets = (figures.accepted.centres, figures.initial.centres)
            yield (column / CELLS, row / CELLS, *(one[row][column] for one in sets))


def _sizes(figures: DatasetFigures) -> Table:
    yield ("side_from", "side_to", "accepted", "initial")
    for bar, pair in enumerate(zip(figures.accepted.sizes, figures.initial.sizes, strict=True)):
        yield (round(bar / SIDES, 2), round((bar + 1) / SIDES, 2), *pair)


def _categories(figures: DatasetFigures) -> Table:
    yield ("category", "accepted", "initial")
    yield from figures.categories
