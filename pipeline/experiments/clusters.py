"""Fig. 4: scores say little of a mask, and much of a cluster."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.calibration import SMALLEST
from pipeline.experiments.setting import Setting

_SHOWN = 4_000


def measure(setting: Setting) -> dict[str, Any]:
    """Correlations of score with IoU (masks) and quality (clusters of 5 masks and more), P_h and P_l."""
    world, thresholds = setting.world, setting.thresholds
    scores = np.concatenate([np.diff(tree.score_sum) for tree in world.trees])
    ious = np.concatenate(world.ious)
    sizes, means, qualities = [], [], []
    for tree, correct in zip(world.trees, world.correct(thresholds.k_iou), strict=True):
        nodes = np.flatnonzero(tree.hi - tree.lo >= SMALLEST)
        sums = np.concatenate([[0], np.cumsum(correct)])
        sizes.append(tree.size(nodes))
        means.append(tree.mean(nodes))
        qualities.append((sums[tree.hi[nodes]] - sums[tree.lo[nodes]]) / tree.size(nodes))
    size, mean, quality = (np.concatenate(part) for part in (sizes, means, qualities))
    rng = np.random.default_rng(setting.seed)
    shown, drawn = (rng.permutation(len(of))[:_SHOWN] for of in (scores, mean))
    calibration, _ = world.calibrated(thresholds)
    return {
        "masks": len(scores),
        "clusters": len(mean),
        "correlation_mask_score_iou": float(np.corrcoef(scores, ious)[0, 1]),
        "correlation_cluster_score_quality": float(np.corrcoef(mean, quality)[0, 1]),
        "correlation_by_size": {
            str(least): float(np.corrcoef(mean[size >= least], quality[size >= least])[0, 1])
            for least in (5, 15, 50, 200)
            if (size >= least).sum() > 2
        },
        "k_pa": calibration.k_pa,
        "edges": calibration.edges,
        "nodes": calibration.nodes,
        "p_high": calibration.p_high,
        "p_low": calibration.p_low,
        "mask_points": np.column_stack([scores, ious])[shown].round(3).tolist(),
        "cluster_points": np.column_stack([mean, quality])[drawn].round(3).tolist(),
    }


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """The three panels of Fig. 4."""
    masks, clusters, likelihoods = figure.subplots(1, 3)
    masks.scatter(*np.array(numbers["mask_points"]).T, s=2, alpha=0.3)
    masks.set(
        xlabel="mask score s", ylabel="IoU", title=f"masks: r = {numbers['correlation_mask_score_iou']:.2f}"
    )
    clusters.scatter(*np.array(numbers["cluster_points"]).T, s=2, alpha=0.3)
    r = numbers["correlation_cluster_score_quality"]
    clusters.set(xlabel="cluster score S", ylabel="quality Q", title=f"clusters of 5 and more: r = {r:.2f}")
    edges = np.array(numbers["edges"])
    seen = np.array(numbers["nodes"]) > 0
    middles = (edges[1:] + edges[:-1]) / 2
    likelihoods.plot(middles[seen], np.array(numbers["p_high"])[seen], label="P_h")
    likelihoods.plot(middles[seen], np.array(numbers["p_low"])[seen], label="P_l")
    likelihoods.axvline(numbers["k_pa"], color="grey", linestyle=":", label=f"K_pa = {numbers['k_pa']:.2f}")
    likelihoods.set(xlabel="cluster score S", title="likelihood of high and of low quality")
    likelihoods.legend()
