"""Fig. 6b and 6c: in which order to search the tree, and what to leave unasked.

As in the paper, sampling is left out here: annotating a cluster reveals its true quality, and cost is counted
in annotated clusters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.decisions import Thresholds, required
from pipeline.dendrogram import Dendrogram
from pipeline.experiments.courses import PAPER_PANELS, Course, course_of, draw_courses, end_of
from pipeline.experiments.setting import Setting
from pipeline.experiments.worlds import World, run
from pipeline.strategies import STRATEGIES

_ALL = 10**9
"""As N_s: every mask of a cluster is known once the cluster is annotated."""
K_PAS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
CUTS = 40


def compare_orders(setting: Setting) -> dict[str, Any]:
    """Fig. 6b: every strategy, with all clusters selected, and universal thresholds."""
    everything = replace(setting.thresholds, k_pa=0.0, n_s=_ALL, min_size=1)
    runs = {
        name: run(
            setting.world,
            everything,
            strategy=name,
            calibration=setting.calibration,
            believed=setting.thresholds,
        )
        for name in STRATEGIES
    }
    courses = {name: course_of(one) for name, one in runs.items()}
    courses["universal threshold"] = _universal(setting.world, everything)
    return {"courses": courses, "ends": {name: end_of(one) for name, one in runs.items()}}


def compare_selections(setting: Setting) -> dict[str, Any]:
    """Fig. 6c: best-first with different K_pa, the calibrated one among them."""
    courses, ends = {}, {}
    for k_pa in sorted({*K_PAS, round(setting.thresholds.k_pa, 3)}):
        thresholds = replace(setting.thresholds, k_pa=k_pa, n_s=_ALL, min_size=1)
        one = run(setting.world, thresholds)
        calibrated = " (calibrated)" if k_pa == round(setting.thresholds.k_pa, 3) else ""
        courses[f"K_pa = {k_pa:g}{calibrated}"] = course_of(one)
        ends[f"{k_pa:g}"] = end_of(one)
    return {"courses": courses, "ends": ends, "calibrated": setting.thresholds.k_pa}


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Accepted clusters, accepted masks and quality against annotated clusters."""
    draw_courses(numbers["courses"], figure, x="clusters", label="annotated clusters", panels=PAPER_PANELS)


def flat_clusters(tree: Dendrogram, count: int) -> NDArray[np.int64]:
    """(m,) nodes of the tree cut at one height into `count` clusters; its leaves when it has fewer."""
    inner = np.flatnonzero(tree.hi - tree.lo > 1)
    # Highest first; of equal heights the ancestor, whose id is smaller.
    cut = inner[np.argsort(-tree.height[inner], kind="stable")][: count - 1]
    is_cut = np.zeros(len(tree.lo), dtype=bool)
    is_cut[cut] = True
    kept = ~is_cut
    kept[1:] &= is_cut[tree.parent[1:]]
    return np.flatnonzero(kept)


def _universal(world: World, thresholds: Thresholds) -> Course:
    """Cut every tree into the same number of clusters and annotate them all, for numbers from 1 to n."""
    largest = max(tree.n for tree in world.trees)
    rows = [
        _cut(world, thresholds, int(count))
        for count in np.unique(np.geomspace(1, largest, CUTS).round().astype(int))
    ]
    names = ("clusters", "accepted_clusters", "accepted", "quality", "sq", "precision", "questions")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _cut(world: World, thresholds: Thresholds, count: int) -> tuple[float, ...]:
    annotated = clusters = masks = right = matched = 0
    iou = matched_iou = 0.0
    for tree, ious in zip(world.trees, world.ious, strict=True):
        nodes = flat_clusters(tree, count)
        sums = np.concatenate([[0], np.cumsum(ious >= thresholds.k_iou)])
        correct = sums[tree.hi[nodes]] - sums[tree.lo[nodes]]
        enough = [required(int(size), thresholds.k_a) for size in tree.size(nodes)]
        accepted = nodes[correct >= enough]
        inside = np.zeros(tree.n + 1, dtype=np.int64)
        np.add.at(inside, tree.lo[accepted], 1)
        np.add.at(inside, tree.hi[accepted], -1)
        taken = ious[np.cumsum(inside)[:-1] > 0]
        annotated, clusters, masks = annotated + len(nodes), clusters + len(accepted), masks + len(taken)
        right += int((taken >= thresholds.k_iou).sum())
        matched += int((taken > 0.5).sum())
        iou, matched_iou = iou + float(taken.sum()), matched_iou + float(taken[taken > 0.5].sum())
    shares = (iou / max(masks, 1), matched_iou / max(matched, 1), right / max(masks, 1))
    return (annotated, clusters, masks, *shares, 0)
