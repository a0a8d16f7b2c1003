"""A page of masks out of any number of them: filtered by arrays in memory, read from the database by place.

Scores and outcomes of a tree are arrays of one value a leaf, so that a filter over a million masks takes some
milliseconds and no index; of the masks' own rows only those of the page are read. Over several trees the
search goes on until the page is full or its time is over; the next page goes on from there.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import F
from numpy.typing import NDArray

from annotation_site.catalog.held import Held
from annotation_site.catalog.models import Mask, Project, Role, Tree
from annotation_site.catalog.packed_trees import scores_of
from annotation_site.dashboards.mosaics import Tile, tiles
from annotation_site.results.outcomes import Fate, TreeOutcome, outcome_of, outcomes_at
from annotation_site.verification.models import Overruling

PAGE = 60
SECONDS = 0.1
"""After that a search over several trees gives what it has."""
FATES = (Fate.UNDECIDED, Fate.ACCEPTED, Fate.REJECTED, Fate.REPLACED)

SCORE_BYTES = 256 << 20
"""Memory for scores in each process: four bytes a mask."""

SAID: dict[str, Callable[[TreeOutcome, int], bool]] = {
    "yes": lambda outcome, at: outcome.answers[at].label is True,
    "no": lambda outcome, at: outcome.answers[at].label is False,
    "unsure": lambda outcome, at: outcome.answers[at].unsure > 0,
    "disagree": lambda outcome, at: min(outcome.answers[at].yes, outcome.answers[at].no) > 0,
    "refused": lambda outcome, at: (
        outcome.answers[at].label is False and outcome.segment_at(at).verdict == "accept"
    ),
    "confirmed": lambda outcome, at: (
        outcome.answers[at].label is True and outcome.segment_at(at).verdict == "reject"
    ),
}
"""What people said of a mask that was asked about; the last two go against the decision on its cluster."""
BY_HAND = "hand"
ORDERS = ("leaves", "best", "worst")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which masks to show.

    Attributes
    ----------
    tree : primary key; None for all trees of the project
    lo, hi : only leaves of [lo, hi) of the tree
    image : primary key
    fate : a name of `Fate`, or ""
    said : a key of `SAID`, `BY_HAND`, or ""
    low, high : of the score, inclusive
    order : of `ORDERS`; by score within one tree only
    after : where the page before ended: tree and position, or score and position
    """

    tree: int | None = None
    lo: int | None = None
    hi: int | None = None
    image: int | None = None
    fate: str = ""
    said: str = ""
    low: float = 0.0
    high: float = 1.0
    order: str = "leaves"
    after: tuple[float, int] | None = None

    @property
    def by_score(self) -> bool:
        return self.order != "leaves"

    @property
    def asks_what_became(self) -> bool:
        """Whether what people and admins said of the masks decides which are shown."""
        return bool(self.fate or self.said)

    @property
    def bounds_score(self) -> bool:
        return self.low > 0 or self.high < 1


@dataclass(frozen=True, slots=True)
class Browsed:
    """A mask of a page and what became of it."""

    tile: Tile
    fate: Fate
    tree: Tree


@dataclass(frozen=True, slots=True)
class MaskPage:
    """A page by key.

    Attributes
    ----------
    after : where the next page goes on; None after the last
    count : how many masks there are in all; None where that was not counted
    searched : whether its time was over before the page was full
    """

    rows: Sequence[Browsed] = ()
    after: tuple[float, int] | None = None
    count: int | None = None
    searched: bool = False


def mask_page(project: Project, wanted: Wanted, *, size: int = PAGE) -> MaskPage:
    """The masks that are wanted, after those of the page before."""
    if wanted.image is not None:
        return _of_image(project, wanted, size)
    if wanted.tree is not None:
        tree = trees_of(project).filter(pk=wanted.tree).first()
        return MaskPage() if tree is None else _of_tree(tree, wanted, size)
    return _of_trees(list(trees_of(project)), wanted, size)


def trees_of(project: Project) -> Any:
    """The pool trees of a project in the order of browsing."""
    own = Tree.objects.filter(round__project=project, role=Role.POOL).defer("packed")
    return own.select_related("category", "round").order_by("-round__number", "category__name", "pk")


def _of_tree(tree: Tree, wanted: Wanted, size: int) -> MaskPage:
    outcome = outcome_of(tree) if wanted.asks_what_became else None
    positions = _matching(tree, outcome, wanted)
    if wanted.by_score:
        shown, rest = _best(positions, leaf_scores(tree.pk)[positions], wanted, size)
    else:
        start = 0 if wanted.after is None else int(np.searchsorted(positions, wanted.after[1], side="right"))
        shown, rest = positions[start : start + size], len(positions) - start - size
    after = None
    if rest > 0:
        last = int(shown[-1])
        after = (float(leaf_scores(tree.pk)[last]) if wanted.by_score else float(tree.pk), last)
    return MaskPage(_browsed([(tree, int(at)) for at in shown]), after, count=len(positions))


def _best(
    positions: NDArray[np.int64], scores: NDArray[np.float32], wanted: Wanted, size: int
) -> tuple[NDArray[np.int64], int]:
    """The first `size` of ascending positions by score, after the page before, and how many come after."""
    ascending = -scores if wanted.order == "best" else scores
    if wanted.after is not None:
        score, position = wanted.after
        least = np.float32(-score if wanted.order == "best" else score)
        behind = (ascending > least) | ((ascending == least) & (positions > position))
        positions, ascending = positions[behind], ascending[behind]
    rest = len(positions) - size
    if rest > 0:  # Of many, only those are sorted that may be shown.
        near = ascending <= np.partition(ascending, size - 1)[size - 1]
        positions, ascending = positions[near], ascending[near]
    return positions[np.argsort(ascending, kind="stable")][:size], rest


def _of_trees(trees: Sequence[Tree], wanted: Wanted, size: int) -> MaskPage:
    """Tree by tree, each in leaf order, until the page is full or its time is over."""
    began, rows = time.monotonic(), list[Browsed]()
    start = next((i for i, tree in enumerate(trees) if wanted.after and tree.pk == int(wanted.after[0])), 0)
    worth = _worth_a_look(trees, wanted)
    for index, tree in enumerate(trees[start:], start):
        if tree.pk not in worth:
            continue
        left = wanted if wanted.after and index == start else replace(wanted, after=None)
        page = _of_tree(tree, replace(left, order="leaves"), size - len(rows))
        rows += page.rows
        if page.after is not None:
            return MaskPage(rows, page.after)
        late = time.monotonic() - began > SECONDS
        if (len(rows) >= size or late) and index + 1 < len(trees):
            return MaskPage(rows, (float(trees[index + 1].pk), -1), searched=late and len(rows) < size)
    return MaskPage(rows)


def _worth_a_look(trees: Sequence[Tree], wanted: Wanted) -> set[int]:
    """The trees that may have any."""
    keys = {tree.pk for tree in trees}
    if wanted.said != BY_HAND:
        return keys
    single = Overruling.objects.standing().verdicts().filter(tree__in=keys, hi=F("lo") + 1)
    return set(single.values_list("tree", flat=True).distinct())


def _of_image(project: Project, wanted: Wanted, size: int) -> MaskPage:
    """An image has some dozens of masks: all are read."""
    trees = {tree.pk: tree for tree in trees_of(project) if wanted.tree in (None, tree.pk)}
    own = Mask.objects.filter(image=wanted.image, tree__in=trees).order_by("position")
    scores = {(tree, at): score for tree, at, score in own.values_list("tree", "position", "score")}
    places: dict[Tree, list[int]] = defaultdict(list)
    for key, at in scores:
        places[trees[key]].append(at)
    outcomes = outcomes_at(places)
    found = [
        (tree, at)
        for tree in trees.values()
        for at in places.get(tree, ())
        if _suits(outcomes[tree.pk], at, scores[tree.pk, at], wanted)
    ]
    start = 0 if wanted.after is None else max(0, wanted.after[1])
    after = (0.0, start + size) if len(found) > start + size else None
    return MaskPage(_browsed(found[start : start + size]), after, count=len(found))


def _suits(outcome: TreeOutcome, at: int, score: float, wanted: Wanted) -> bool:
    """Whether a mask is wanted."""
    lo, hi = _bounds(outcome.tree, wanted)
    return bool(
        lo <= at < hi
        and wanted.low <= np.float32(score) <= wanted.high
        and wanted.fate in ("", outcome.fate_at(at).value)
        and (not wanted.said or _said(outcome, wanted.said, at, at + 1))
    )


def _bounds(tree: Tree, wanted: Wanted) -> tuple[int, int]:
    return wanted.lo or 0, min(wanted.hi or tree.n, tree.n)


def _matching(tree: Tree, outcome: TreeOutcome | None, wanted: Wanted) -> NDArray[np.int64]:
    """The leaf positions of a tree that are wanted, ascending."""
    lo, hi = _bounds(tree, wanted)
    positions = np.arange(lo, hi, dtype=np.int64)
    if outcome is not None and wanted.said:
        positions = np.array(_said(outcome, wanted.said, lo, hi), dtype=np.int64)
    if outcome is not None and wanted.fate:
        positions = positions[leaf_fates(outcome)[positions] == FATES.index(Fate(wanted.fate))]
    if wanted.bounds_score:
        scores = leaf_scores(tree.pk)[positions]
        positions = positions[(scores >= wanted.low) & (scores <= wanted.high)]
    return positions


def _said(outcome: TreeOutcome, said: str, lo: int, hi: int) -> list[int]:
    if said == BY_HAND:
        return sorted(at for at in outcome.ruled if lo <= at < hi)
    suits = SAID[said]
    return sorted(at for at in outcome.answers if lo <= at < hi and suits(outcome, at))


def leaf_fates(outcome: TreeOutcome) -> NDArray[np.int8]:
    """(n,) index into `FATES` of every leaf."""
    of = {None: 0, "accept": 1, "reject": 2}
    sizes = [segment.hi - segment.lo for segment in outcome.pieces]
    fates = np.repeat(np.array([of[segment.verdict] for segment in outcome.pieces], dtype=np.int8), sizes)
    refused = np.array(outcome.refused, dtype=np.int64)
    fates[refused[fates[refused] == 1]] = 2
    for position, one in outcome.ruled.items():
        fates[position] = of[one.verdict]
    fates[list(outcome.replaced)] = FATES.index(Fate.REPLACED)
    return fates


def _browsed(places: Sequence[tuple[Tree, int]]) -> list[Browsed]:
    """Masks at some leaves, those of a tree together, with what became of them."""
    by_tree: dict[Tree, list[int]] = defaultdict(list)
    for tree, at in places:
        by_tree[tree].append(at)
    outcomes = outcomes_at(by_tree)
    return [
        Browsed(tile, outcomes[tree.pk].fate_at(tile.mask.position), tree)
        for tree, positions in by_tree.items()
        for tile in tiles(tree.pk, positions)
    ]


def _load_scores(tree_id: int) -> NDArray[np.float32]:
    return scores_of(tree_id, n=Tree.objects.values_list("n", flat=True).get(pk=tree_id))


_scores: Held[NDArray[np.float32]] = Held(_load_scores, limit=lambda: SCORE_BYTES)


def leaf_scores(tree_id: int) -> NDArray[np.float32]:
    """(n,) scores of a tree's masks in leaf order, from this process's memory if it has them."""
    return _scores.get(tree_id)


def forget_scores() -> None:
    """Drop the scores in memory (tests reuse primary keys)."""
    _scores.clear()
