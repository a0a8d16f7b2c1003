"""The stage that turns predictions into trees: per category, of the held-out images and of the pool."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.correctness import heldout_truth
from annotation_site.catalog.gathering import CategoryRows, ShardIndex, gathered
from annotation_site.catalog.known_objects import recognise
from annotation_site.catalog.models import Category, Role, Round, Tree
from annotation_site.catalog.planting import plant_tree
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.shards import PREDICTED_ROLES
from annotation_site.catalog.storage import artifacts, on_a_disk, round_folder
from pipeline.dendrogram import Dendrogram
from pipeline.linkage import OtherPartition, Share, linkage, with_nobody
from pipeline.progress import Progress

LOOK_AGAIN = 0.5
"""Seconds until a process that has no tree left looks whether the others finished theirs."""

PLACES = {Role.HELDOUT: "the held-out images", Role.POOL: "the pool"}


class NothingToCluster(Exception):
    """The round has no predicted masks."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A tree to be: one category's masks on images of one role."""

    category: Category
    role: Role
    index: ShardIndex = field(compare=False)
    masks: int

    @property
    def place(self) -> tuple[int, str]:
        """What tells its tree from others of the round."""
        return (self.category.pk, self.role.value)


def cluster(round_: Round, report: Progress, *, share: Share = with_nobody) -> None:
    """Build and store the trees that are not there yet; the work of the cluster stage. Progress counts masks.

    `share` is told of the pieces of trees that are too large for memory, so that other workers may do some.

    Raises
    ------
    NothingToCluster
        When nothing was predicted on the pool.
    FeaturesMissing
        When the predictions lack the project's kind of features.
    """
    plots = _plots(round_)
    if not any(plot.role == Role.POOL for plot in plots):
        raise NothingToCluster(
            f"No mask of {round_.project.slug} reaches the confidence {round_.project.confidence}: train for "
            "longer, lower the project's confidence, or import more images, then detect again."
        )
    if isinstance(report, Reporter):
        report.note(trees=len(plots))
    bare: set[Plot] = set()
    total = sum(plot.masks for plot in plots)
    while left := _left(round_, plots, bare):
        bare |= _work_through(round_, left, plots, report, share=share).bare
        if left := _left(round_, plots, bare):  # Others are at them; when one dies, its tree is ours.
            report(total - sum(plot.masks for plot in left), total, "Waiting for other processes")
            threading.Event().wait(LOOK_AGAIN)
    report(total, total, f"{total:,} masks in {len(plots) - len(bare)} trees")


def work_through_trees(round_: Round, report: Progress) -> int:
    """Grow trees that nobody else is at until none is left; how many. Any process may join in."""
    plots = _plots(round_)
    return _work_through(round_, _left(round_, plots, set()), plots, report).finished


@dataclass(frozen=True, slots=True)
class _Worked:
    """What one process did: trees it finished, and plots that no mask was left of."""

    finished: int
    bare: set[Plot]


def _left(round_: Round, plots: Sequence[Plot], bare: Collection[Plot]) -> list[Plot]:
    """Plots that have no tree yet."""
    planted = set(round_.trees.values_list("category_id", "role"))
    return [plot for plot in plots if plot not in bare and plot.place not in planted]


def _work_through(
    round_: Round,
    left: Sequence[Plot],
    plots: Sequence[Plot],
    report: Progress,
    *,
    share: Share = with_nobody,
) -> _Worked:
    finished = 0
    bare: set[Plot] = set()
    total = sum(plot.masks for plot in plots)
    with Claims() as claims:
        for plot in left:
            number = claim_number(round_.pk, *plot.place)
            if not claims.take(Kind.TREE, number):
                continue
            try:
                if _left(round_, [plot], ()):
                    message = f"Clustering {plot.category.name}, {plot.masks:,} masks of {PLACES[plot.role]}"
                    done = total - sum(other.masks for other in _left(round_, plots, bare))
                    report(done, total, message)
                    tree = grow(round_, plot, _within(report, done, total, message), share=share)
                    finished += 1
                    if tree is None:
                        bare.add(plot)
            finally:
                claims.give_back(Kind.TREE, number)
    return _Worked(finished, bare)


def claim_number(*parts: object) -> int:
    """A number for `Claims` of a tree, which has no row yet."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def grow(round_: Round, plot: Plot, report: Progress, *, share: Share = with_nobody) -> Tree | None:
    """Cluster one category's masks and store the tree; None when no mask is left of it.

    Held-out masks that lie in a crowd region are left out, as COCO's evaluation leaves them out: nobody can
    say whether they are correct. Pool masks of objects that earlier rounds accepted are left out too, unless
    they may replace what is known.
    """
    project = round_.project
    seed = tree_seed(round_, plot.category, plot.role)
    with gathered(plot.index, plot.category.coco_id, feature=project.feature) as found:
        rows, ious = _judged(found, plot, k_iou=project.k_iou)
        recognised = recognise(rows, round_, plot.category) if plot.role == Role.POOL else None
        rows = rows.without(recognised.left_out) if recognised else rows
        if not len(rows):
            return None
        merges = _merges(round_, plot, rows, seed=seed % 2**32, share=share, report=report)
        return plant_tree(
            round_,
            plot.category,
            plot.role,
            dendrogram=Dendrogram.from_linkage(merges, rows.scores),
            rows=rows,
            ious=ious,
            recognised=recognised,
            linkage=project.linkage,
            seed=seed,
            progress=report,
        )


def _merges(
    round_: Round, plot: Plot, rows: CategoryRows, *, seed: int, share: Share, report: Progress
) -> NDArray[np.float64]:
    """The tree's merges; pieces that are of other masks, or were made with another linkage, are made anew."""
    merges = partial(
        linkage,
        rows.features,
        rows.scores if round_.project.use_score else None,
        method=round_.project.linkage,
        seed=seed,
        exact_up_to=settings.EXACT_TREES_UP_TO or None,
        share=share if on_a_disk() else with_nobody,
        progress=_before_planting(report),
    )
    with pieces_folder(round_, plot) as folder:
        try:
            return merges(folder=folder)
        except OtherPartition:
            shutil.rmtree(folder)
            return merges(folder=folder)


@contextmanager
def pieces_folder(round_: Round, plot: Plot) -> Iterator[Path]:
    """Where the pieces of a tree too large for memory lie until it is made.

    Beside the round's other artifacts, so that a stage that was stopped goes on and workers on other machines
    can take part; where artifacts are not on a disk, in a folder of this machine that goes with the block.
    """
    if not on_a_disk():
        with TemporaryDirectory(prefix="maskgrove-pieces-") as scratch:
            yield Path(scratch)
        return
    name = f"{round_folder(round_)}/pieces/{plot.role}-{plot.category.coco_id}"
    folder = Path(artifacts().path(name))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _before_planting(report: Progress) -> Progress:
    """Progress in making a tree; its masks count once they are planted."""

    def progress(done: int, total: int, message: str = "") -> None:
        report(0, total, f"{message}: {done:,} of {total:,}")

    return progress


def tree_seed(round_: Round, category: Category, role: Role) -> int:
    """The seed of a tree's leaf keys: the same for the same project's seed, round, category and role."""
    text = f"{round_.project.seed}:{round_.number}:{category.coco_id}:{role.value}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _plots(round_: Round) -> list[Plot]:
    """Held-out trees first: they are small, and what calibration needs."""
    indices = [(role, ShardIndex.of(round_, role)) for role in PREDICTED_ROLES]
    categories = list(round_.project.categories.order_by("coco_id"))
    plots = [Plot(c, role, index, index.count(c.coco_id)) for role, index in indices for c in categories]
    return [plot for plot in plots if plot.masks]


def _judged(
    found: CategoryRows, plot: Plot, *, k_iou: float
) -> tuple[CategoryRows, NDArray[np.float64] | None]:
    """The rows to cluster, with their IoU where the truth may be looked at: never on the pool."""
    if plot.role != Role.HELDOUT:
        return found, None
    truth = heldout_truth(found, plot.category, k_iou=k_iou)
    return found.without(truth.unknown), truth.ious[~truth.unknown]


def _within(report: Progress, before: int, all_masks: int, said: str) -> Progress:
    """Progress of one tree as progress of the stage."""

    def progress(done: int, total: int, message: str = "") -> None:
        report(before + min(done, total), all_masks, message or said)

    return progress
