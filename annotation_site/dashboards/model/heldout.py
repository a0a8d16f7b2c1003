"""Predictions on held-out images beside their ground truth: best, worst or most overconfident first.

Scores and IoUs of a held-out tree never change; they lie in memory as arrays, so that sorting needs no index.
Of the masks' own rows a page reads only those it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.held import Held
from annotation_site.catalog.models import Annotation, Mask, Role, Round, Tree
from pipeline import masks
from pipeline.metrics import best_objects
from pipeline.predictions import Rle

PAGE = 48
LONGEST_PLACE = 80
BINS = 20
"""Of the score, from 0 to 1."""
MOST_POINTS = 3000
"""Of the scatter: more than can be told apart."""
CACHE_BYTES = 64 << 20
"""Memory for scores and IoUs in each process: eight bytes a mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """A held-out tree's masks in leaf order: (n,) float32 scores s and IoUs with the ground truth."""

    scores: NDArray[np.float32]
    ious: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return self.scores.nbytes + self.ious.nbytes


def _load(tree_id: int) -> Rated:
    rows = Mask.objects.filter(tree=tree_id).order_by("position").values_list("score", "iou")
    found = np.fromiter(((s, iou or 0.0) for s, iou in rows.iterator(10_000)), np.dtype("f4,f4"))
    return Rated(found["f0"].copy(), found["f1"].copy())


_held: Held[Rated] = Held(_load, limit=lambda: CACHE_BYTES)


def forget_rated() -> None:
    """Drop the arrays in memory (tests reuse primary keys)."""
    _held.clear()


def rated(tree_id: int) -> Rated:
    """The scores and IoUs of a held-out tree, from this process's memory if it has them."""
    return _held.get(tree_id)


def heldout_trees(round_: Round | None, *, category: int | None = None) -> list[Tree]:
    """The round's trees of held-out predictions, by the name of their category; or of one, by primary key."""
    own = Tree.objects.filter(round=round_, role=Role.HELDOUT).defer("packed")
    if category is not None:
        own = own.filter(category=category)
    return list(own.select_related("category").order_by("category__name", "pk"))


Key = Callable[[Rated], NDArray[np.float32]]
ORDERS: dict[str, Key] = {
    "overconfident": lambda one: one.scores - one.ious,
    "underconfident": lambda one: one.ious - one.scores,
    "best": lambda one: one.ious,
    "worst": lambda one: -one.ious,
}
"""Sort keys; the largest is shown first."""
DEFAULT_ORDER = "overconfident"

Place = tuple[float, int, int]
"""Sort key, tree and leaf position of a mask."""


def told_place(place: Place) -> str:
    """A place as addresses have it."""
    key, tree, position = place
    return f"{key!r}_{tree}_{position}"


def place_of(text: str) -> Place | None:
    """What `told_place` wrote, None for anything else."""
    try:
        key, tree, position = text.split("_")
        return (float(key), int(tree), int(position)) if len(text) < LONGEST_PLACE else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Shown:
    """A prediction with the outline of the object that it meets best, if it meets any."""

    mask: Mask
    category: str
    truth: Rle | None

    @property
    def frame(self) -> Frame:
        """The part of the photo that is shown."""
        return framing.around(self.mask.box, width=self.mask.image.width, height=self.mask.image.height)

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.mask.rle)

    @property
    def true_outline(self) -> str:
        """The same of the object."""
        return masks.outline(self.truth) if self.truth else ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page by key: `after` is where the next one goes on, None on the last."""

    rows: Sequence[Shown] = ()
    after: Place | None = None
    count: int = 0


def sheet(trees: Sequence[Tree], *, order: str, after: Place | None = None, size: int = PAGE) -> Sheet:
    """The predictions of some trees in an order of `ORDERS`, after those of the page before."""
    parts = [rated(tree.pk) for tree in trees]
    counts = [len(one.scores) for one in parts]
    if not sum(counts):
        return Sheet()
    keys = np.concatenate([ORDERS[order](one) for one in parts]).astype(np.float64)
    of = np.repeat([tree.pk for tree in trees], counts)
    positions = np.concatenate([np.arange(count) for count in counts])
    rows = np.arange(len(keys)) if after is None else _behind(keys, of, positions, after)
    rows = _first(keys, of, positions, rows, size + 1)
    shown = rows[:size]
    last = int(shown[-1]) if len(rows) > size else None
    places = list(zip(of[shown].tolist(), positions[shown].tolist(), strict=True))
    return Sheet(
        rows=_shown(trees, places),
        after=None if last is None else (float(keys[last]), int(of[last]), int(positions[last])),
        count=len(keys),
    )


def _behind(
    keys: NDArray[np.float64], of: NDArray[np.int64], positions: NDArray[np.int64], after: Place
) -> NDArray[np.int64]:
    key, tree, position = after
    later = (of > tree) | ((of == tree) & (positions > position))
    return np.flatnonzero((keys < key) | ((keys == key) & later))


def _first(
    keys: NDArray[np.float64],
    of: NDArray[np.int64],
    positions: NDArray[np.int64],
    rows: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    """The first rows in order, without sorting all of them."""
    if len(rows) > count:
        least = np.partition(keys[rows], len(rows) - count)[len(rows) - count]
        rows = rows[keys[rows] >= least]
    order = np.lexsort((positions[rows], of[rows], -keys[rows]))
    return np.asarray(rows[order][:count])


def _shown(trees: Sequence[Tree], places: Sequence[tuple[int, int]]) -> list[Shown]:
    by_tree: dict[int, list[int]] = {}
    for tree, position in places:
        by_tree.setdefault(tree, []).append(position)
    wanted = Q(pk__in=[])
    for tree, positions in by_tree.items():
        wanted |= Q(tree=tree, position__in=positions)
    found = {(one.tree_id, one.position): one for one in Mask.objects.filter(wanted).select_related("image")}
    categories = {tree.pk: tree.category for tree in trees}
    truths = _truths(found.values(), {tree.pk: tree.category_id for tree in trees})
    return [
        Shown(found[place], categories[place[0]].name, truths[found[place].pk])
        for place in places
        if place in found
    ]


def _truths(found: Collection[Mask], category_of: dict[int, int]) -> dict[int, Rle | None]:
    """Mask's primary key -> the object of its category and image that it meets best."""
    images = {one.image_id for one in found}
    wanted = {category_of[one.tree_id] for one in found}
    objects: dict[tuple[int, int], list[Rle]] = {}
    drawn = Annotation.objects.filter(image__in=images, category__in=wanted, is_crowd=False)
    for annotation in drawn.select_related("image").order_by("pk"):
        objects.setdefault((annotation.image_id, annotation.category_id), []).append(annotation.rle)
    return {one.pk: _met(one, objects.get((one.image_id, category_of[one.tree_id]), [])) for one in found}


def _met(mask: Mask, objects: Sequence[Rle]) -> Rle | None:
    ious, best = best_objects([mask.rle], list(objects))
    return objects[int(best[0])] if int(best[0]) >= 0 and ious[0] > 0 else None


def scatter(trees: Sequence[Tree], *, k_iou: float) -> dict[str, Any]:
    """Score against real IoU: some points drawn at random, and what all of each bin of the score are like."""
    parts = [rated(tree.pk) for tree in trees]
    scores = np.concatenate([np.empty(0, np.float32), *(one.scores for one in parts)])
    ious = np.concatenate([np.empty(0, np.float32), *(one.ious for one in parts)])
    which = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(which, minlength=BINS)
    means = [_mean(which, values, counts) for values in (scores, ious, ious >= k_iou)]
    some = np.random.default_rng(0).permutation(len(scores))[:MOST_POINTS]
    return {
        "masks": len(scores),
        "points": [scores[some].round(4).tolist(), ious[some].round(4).tolist()],
        "bins": [
            [round(b / BINS, 2), int(counts[b]), *(mean[b] for mean in means)]
            for b in range(BINS)
            if counts[b]
        ],
    }


def _mean(which: NDArray[np.int64], values: NDArray[Any], counts: NDArray[np.int64]) -> list[float]:
    sums = np.bincount(which, weights=values, minlength=BINS)
    return [round(float(x), 4) for x in sums / np.maximum(counts, 1)]
