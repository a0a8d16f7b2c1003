"""What a project's accepted masks look like as a dataset, beside its initial set (Sec. 6, Fig. 11 and 12).

Counting reads every accepted mask once. It goes on part by part of the trees, so that a page can ask for as
much as fits into a moment and show how far it is; what was counted is kept until a fact changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Min
from numpy.typing import NDArray

from annotation_site.catalog.models import Annotation, Image, Project, Role, Tree
from annotation_site.results.measured import HELD_SECONDS, version_of
from annotation_site.results.outcomes import TreeOutcome, outcome_of, trees_of
from annotation_site.results.truth import Part, accepted_parts, passed_over_in

CELLS = 32
"""Rows and columns of the map of centres, in normalised coordinates of the photo."""
SIDES = 20
"""Bars of the sizes: of 0.05 of the photo's side each."""
MOST_PER_IMAGE = 30
"""The last bar of the masks per image holds all beyond."""

AT_ONCE = 4000
"""Masks that are read in one go."""

# OFFSET 0 keeps the lookups going by the indexes: the planner takes parts for large, and reads all images.
SHAPES = """
SELECT m.position, m.image_id,
  (m.x + m.width / 2) / i.width, (m.y + m.height / 2) / i.height,
  sqrt(m.width * m.height / (i.width::float8 * i.height))
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS part(tree, lo, hi)
CROSS JOIN LATERAL (
  SELECT position, image_id, x, y, width, height FROM catalog_mask
  WHERE tree_id = part.tree AND position >= part.lo AND position < part.hi OFFSET 0
) m
CROSS JOIN LATERAL (SELECT width, height FROM catalog_image WHERE id = m.image_id OFFSET 0) i
"""
DRAWN = """
SELECT 0, a.image_id, (a.x + a.width / 2) / i.width, (a.y + a.height / 2) / i.height,
  sqrt(a.width * a.height / (i.width::float8 * i.height))
FROM catalog_annotation a JOIN catalog_image i ON i.id = a.image_id
WHERE i.project_id = %s AND i.role = 'initial' AND NOT a.is_crowd
"""


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Counts over the masks of images whose keys are `first`, `first` + 1, ...

    Attributes
    ----------
    centres : (CELLS, CELLS) int64 by row and column of the mask's centre
    sizes : (SIDES,) int64 by the root of the box's share of the photo
    images : (n,) int32 masks of each image
    """

    first: int
    centres: NDArray[np.int64]
    sizes: NDArray[np.int64]
    images: NDArray[np.int32]

    @classmethod
    def nothing(cls, project: Project, role: Role) -> Shapes:
        """Of no mask yet, for the images of a role."""
        keys = Image.objects.filter(project=project, role=role).aggregate(first=Min("pk"), last=Max("pk"))
        first, last = keys["first"] or 0, keys["last"] or 0
        centres = np.zeros((CELLS, CELLS), np.int64)
        return cls(first, centres, np.zeros(SIDES, np.int64), np.zeros(last - first + 1, np.int32))

    def with_rows(self, rows: NDArray[np.float64]) -> Shapes:
        """(n, 5) rows of position, image, centre's x and y, side; their masks counted too."""
        across, down = (np.clip((rows[:, i] * CELLS).astype(np.int64), 0, CELLS - 1) for i in (2, 3))
        side = np.clip((rows[:, 4] * SIDES).astype(np.int64), 0, SIDES - 1)
        images = self.images.copy()
        np.add.at(images, rows[:, 1].astype(np.int64) - self.first, 1)
        centres = np.bincount(down * CELLS + across, minlength=CELLS**2).reshape(CELLS, CELLS)
        sizes = np.bincount(side, minlength=SIDES)
        return Shapes(self.first, self.centres + centres, self.sizes + sizes, images)

    @property
    def per_image(self) -> list[int]:
        """Images with 1, 2, ... `MOST_PER_IMAGE` masks or more."""
        found = np.bincount(np.minimum(self.images, MOST_PER_IMAGE), minlength=MOST_PER_IMAGE + 1)
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
            masks=int(shapes.images.sum()),
            images=int(np.count_nonzero(shapes.images)),
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
    """How far counting is, and the figures once it is through.

    Attributes
    ----------
    done, of : masks of the trees, accepted or not
    tree, at : where it goes on: a tree's place in order, and a leaf
    accepted : category's primary key -> accepted masks
    """

    done: int
    of: int
    figures: DatasetFigures | None = None
    tree: int = 0
    at: int = 0
    shapes: Shapes | None = None
    accepted: Mapping[int, int] = field(default_factory=dict)


def count_on(project: Project, *, seconds: float, version: str | None = None) -> Counting:
    """Go on counting for about so long, at least by one part.

    Safe to ask by several at once, each of whom takes it further.

    Parameters
    ----------
    version : of the facts, where it was read a moment ago; see `measured.version_of`
    """
    key = f"maskgrove:dataset:{project.pk}:{version or version_of(project)}"
    known: Counting | None = cache.get(key)
    if known is not None and known.figures is not None:
        return known
    began, trees = time.monotonic(), list(trees_of(project))
    counting = known or Counting(0, sum(tree.n for tree in trees), shapes=Shapes.nothing(project, Role.POOL))
    for step in _steps(counting, trees):
        counting = step
        if time.monotonic() - began > seconds:
            break
    if counting.tree == len(trees):
        figures = _figures(project, counting)
        counting = Counting(counting.of, counting.of, figures, counting.tree)
    cache.set(key, counting, HELD_SECONDS)
    return counting


def _steps(counting: Counting, trees: Sequence[Tree]) -> Iterator[Counting]:
    """Counting taken on, part by part and tree by tree."""
    before = sum(tree.n for tree in trees[: counting.tree])
    for number, tree in enumerate(trees[counting.tree :], counting.tree):
        outcome = outcome_of(tree)
        passed_over = np.fromiter(passed_over_in(outcome, None), dtype=np.int64)
        for parts in _in_portions(outcome, counting.at):
            rows = _rows(SHAPES, [[getattr(part, name) for part in parts] for name in ("tree", "lo", "hi")])
            rows = rows[~np.isin(rows[:, 0].astype(np.int64), passed_over)]
            counting = _with(counting, rows, tree, at=parts[-1].hi, done=before + parts[-1].hi)
            yield counting
        before += tree.n
        counting = replace(counting, tree=number + 1, at=0, done=before)
        yield counting


def _with(counting: Counting, rows: NDArray[np.float64], tree: Tree, *, at: int, done: int) -> Counting:
    assert counting.shapes is not None
    accepted = {**counting.accepted, tree.category_id: counting.accepted.get(tree.category_id, 0) + len(rows)}
    return replace(counting, shapes=counting.shapes.with_rows(rows), accepted=accepted, at=at, done=done)


def _in_portions(outcome: TreeOutcome, at: int) -> Iterator[list[Part]]:
    """The accepted parts of a tree from a leaf on, so many that they hold `AT_ONCE` masks together."""
    some, size = list[Part](), 0
    for part in sorted(accepted_parts(outcome), key=attrgetter("lo")):
        lo = max(part.lo, at)
        while lo < part.hi:
            hi = min(part.hi, lo + AT_ONCE - size)
            some.append(Part(part.tree, lo, hi))
            size, lo = size + hi - lo, hi
            if size == AT_ONCE:
                yield some
                some, size = [], 0
    if some:
        yield some


def _figures(project: Project, counting: Counting) -> DatasetFigures:
    drawn = Annotation.objects.filter(image__project=project, image__role=Role.INITIAL, is_crowd=False)
    initial = dict(drawn.values_list("category").annotate(n=Count("id")).order_by())
    rows = [
        (category.name, counting.accepted.get(category.pk, 0), initial.get(category.pk, 0))
        for category in project.categories.all()
    ]
    assert counting.shapes is not None
    shapes = Shapes.nothing(project, Role.INITIAL).with_rows(_rows(DRAWN, [project.pk]))
    return DatasetFigures(
        accepted=SetFigures.of(counting.shapes),
        initial=SetFigures.of(shapes),
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
