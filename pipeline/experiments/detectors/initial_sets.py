"""Fig. 7: how many images to draw before the first question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.detection.validation import validate
from pipeline.experiments.courses import course_of, end_of
from pipeline.experiments.detectors.features import ALL
from pipeline.experiments.detectors.trial import Trial, see
from pipeline.experiments.worlds import World, grow, run
from pipeline.metrics import SECONDS_PER_DRAWING

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the initial images, which a detector learns from."""

SECONDS_PER_CLUSTER = 30.0
"""To verify one, as the paper counts."""


def measure(trial: Trial) -> dict[str, Any]:
    """Accepted masks on the pool against clusters and against hours, for sets of several sizes."""
    images = trial.paint()
    courses, ends, ap = {}, {}, {}
    for share in SHARES:
        some = images["initial"][: max(1, round(share * len(images["initial"])))]
        name = f"{len(some)} images"
        predictor = trial.train(some, name=f"initial-{len(some)}")
        found = validate(predictor, images["heldout"], k_iou=Thresholds().k_iou, progress=trial.progress)
        ap[name] = [found.ap50, found.ap75]
        world, held_out = (
            grow(see(predictor, images[role], progress=trial.progress).by_class("attention"))
            for role in ("pool", "heldout")
        )
        _, thresholds = held_out.calibrated(Thresholds())
        courses[name], ends[name] = _searched(world, thresholds, drawn=sum(len(one.masks) for one in some))
    return {"courses": courses, "ends": ends, "ap": ap}


def _searched(world: World, thresholds: Thresholds, *, drawn: int) -> tuple[dict[str, Any], dict[str, float]]:
    """The course of the search, best first, with the hours that the initial set took."""
    one = run(world, replace(thresholds, n_s=ALL, min_size=1))
    course = course_of(one)
    seconds = SECONDS_PER_CLUSTER * np.array(course["clusters"]) + SECONDS_PER_DRAWING * drawn
    hours = (seconds / 3600).round(3).tolist()
    return {**course, "hours": hours}, {**end_of(one), "drawn": drawn, "masks": world.masks}


def summarise(numbers: dict[str, Any]) -> str:
    """One line a set."""
    return "\n".join(
        f"{name}: AP50 {numbers['ap'][name][0]:.3f}, AP75 {numbers['ap'][name][1]:.3f}, {end['drawn']:.0f} "
        f"objects drawn, {end.get('accepted', 0):.0f} of {end['masks']:.0f} masks accepted after "
        f"{end.get('clusters', 0):.0f} clusters"
        for name, end in numbers["ends"].items()
    )


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Accepted masks against annotated clusters, and against hours with the initial set's."""
    axes = figure.subplots(1, 2)
    for panel, (x, label) in zip(axes, (("clusters", "annotated clusters"), ("hours", "hours")), strict=True):
        for name, course in numbers["courses"].items():
            panel.plot(course[x], course["accepted"], label=name, linewidth=1.4)
        panel.set(xlabel=label, title="accepted masks")
        panel.grid(alpha=0.3)
    axes[0].set_xscale("log")
    axes[0].legend()
