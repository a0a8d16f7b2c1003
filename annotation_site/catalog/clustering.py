"""The stage that turns predictions into trees: per category, of the held-out images and of the pool."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.correctness import heldout_truth
from annotation_site.catalog.gathering import CategoryRows, ShardIndex, gathered
from annotation_site.catalog.known_objects import recognise
from annotation_site.catalog.models import Category, Role, Round, Tree
from annotation_site.catalog.planting import plant_tree
from annotation_site.catalog.shards import PREDICTED_ROLES
from pipeline.dendrogram import Dendrogram
from pipeline.linkage import linkage
from pipeline.progress import Progress

PLACES = {Role.HELDOUT: "the held-out images", Role.POOL: "the pool"}


class NothingToCluster(Exception):
    """The round has no predicted masks."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A tree to be: one category's masks on images of one role."""

    category: Category
    role: Role
    index: ShardIndex
    masks: int


def cluster(round_: Round, report: Progress) -> None:
    """Build and store the trees that are not there yet; the work of the cluster stage. Progress counts masks.

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
    planted = set(round_.trees.values_list("category_id", "role"))
    done, total = 0, sum(plot.masks for plot in plots)
    for plot in plots:
        message = f"Clustering {plot.category.name}, {plot.masks:,} masks of {PLACES[plot.role]}"
        report(done, total, message)
        if (plot.category.pk, plot.role.value) not in planted:
            grow(round_, plot, _within(report, done, total, message))
        done += plot.masks
    report(done, total, f"{done:,} masks in {len(plots)} trees")


def grow(round_: Round, plot: Plot, report: Progress) -> Tree | None:
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
        scores = rows.scores if project.use_score else None
        merges = linkage(rows.features, scores, method=project.linkage, seed=seed % 2**32)
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
