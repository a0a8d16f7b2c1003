"""Fig. 6a: which feature vectors to cluster by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.experiments.courses import PAPER_PANELS, course_of, draw_courses, end_of
from pipeline.experiments.detectors.trial import Floats, Seen, Trial, see
from pipeline.experiments.worlds import World, run
from pipeline.linkage import linkage

ALL = 10**9
"""As N_s: every mask of a cluster is known once the cluster is annotated."""

AT = (30, 100, 300, 1000)
"""Numbers of annotated clusters that the summary tells the accepted masks of."""


def measure(trial: Trial) -> dict[str, Any]:
    """Accepted masks against annotated clusters for each kind, best first, on predictions for the pool."""
    images = trial.paint()
    predictor = trial.train(images["initial"], name=f"initial-{len(images['initial'])}")
    seen = see(predictor, images["pool"], progress=trial.progress)
    known = replace(Thresholds(), k_pa=0.0, n_s=ALL, min_size=1)
    runs = {name: run(world, known) for name, world in worlds(seen, seed=trial.seed).items()}
    return {
        "masks": len(seen.ious),
        "correct": float((seen.ious >= known.k_iou).mean()),
        "courses": {name: course_of(one) for name, one in runs.items()},
        "ends": {name: end_of(one) for name, one in runs.items()},
        "accepted": {
            name: {str(at): int(one.accepted[min(at, len(one.accepted)) - 1]) for at in AT}
            for name, one in runs.items()
        },
    }


def worlds(seen: Seen, *, seed: int) -> dict[str, World]:
    """The same predictions clustered by each kind of features; the paper's distance is the last."""
    noise = np.random.default_rng(seed).standard_normal((len(seen.ious), 16), dtype=np.float32)
    with_noise = replace(seen, features={**seen.features, "random": noise})
    kinds = {
        "random": "random",
        "mask logits": "mask",
        "backbone": "backbone",
        "MaskIoU": "mask_iou",
        "mask attention": "attention",
    }
    grown = {name: _grown(with_noise, kind, by_score=False) for name, kind in kinds.items()}
    return grown | {"mask attention + score": _grown(seen, "attention", by_score=True)}


def _grown(seen: Seen, kind: str, *, by_score: bool) -> World:
    trees: list[Dendrogram] = []
    ious: list[Floats] = []
    for part in seen.by_class(kind):
        merges = linkage(part.features, part.scores if by_score else None, method="complete")
        trees.append(Dendrogram.from_linkage(merges, part.scores))
        ious.append(part.ious[trees[-1].order])
    return World(tuple(trees), tuple(ious))


def summarise(numbers: dict[str, Any]) -> str:
    """Accepted masks at some numbers of annotated clusters."""
    rows = [f"{numbers['masks']} masks, {numbers['correct']:.0%} correct; accepted after clusters:"]
    rows += [
        f"{name:>24} " + "  ".join(f"{at}: {n}" for at, n in at_all.items())
        for name, at_all in numbers["accepted"].items()
    ]
    return "\n".join(rows)


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Accepted clusters, accepted masks and quality against annotated clusters."""
    draw_courses(numbers["courses"], figure, x="clusters", label="annotated clusters", panels=PAPER_PANELS)
