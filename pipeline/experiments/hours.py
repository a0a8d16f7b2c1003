"""Fig. 9: accepted masks against the hours of people, the initial set's drawing among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.experiments.courses import course_of
from pipeline.experiments.questions import PRODUCT, RIVAL, Contender
from pipeline.experiments.rivals import CLICKS_SHARE
from pipeline.experiments.setting import Setting
from pipeline.experiments.worlds import Run, run
from pipeline.metrics import SECONDS_PER_ANSWER, SECONDS_PER_DRAWING

SMALLEST = {"": 1, ", clusters of 15 and more": 15}
POINTS = 60


def measure(setting: Setting) -> dict[str, Any]:
    """Courses of the paper's rule and of the product's, asking about all clusters and only about large ones.

    `saving` is how many times longer drawing as many masks would take, with and without the initial set.
    """
    initial = setting.drawn * SECONDS_PER_DRAWING / 3600
    methods: dict[str, Any] = {}
    for title, contender in (("paper", RIVAL), ("product", PRODUCT)):
        for suffix, smallest in SMALLEST.items():
            found = _searched(setting, contender, smallest)
            if len(found.questions):
                methods[title + suffix] = _against_hours(found, initial)
    most = max((method["verification_hours"] for method in methods.values()), default=0.0)
    return {
        "initial_hours": initial,
        "methods": methods,
        "drawing": _by_hand(initial, most, 1.0),
        "corrective clicks": _by_hand(initial, most, CLICKS_SHARE),
    }


def _searched(setting: Setting, contender: Contender, smallest: int) -> Run:
    thresholds = replace(setting.thresholds, k_a=contender.k_a, min_size=smallest)
    calibration, _ = setting.held_out.calibrated(thresholds)
    return run(
        setting.world,
        thresholds,
        rule=contender.rule,
        strategy=contender.strategy,
        calibration=calibration,
        seed=setting.seed,
        reuse=contender.reuse,
    )


def _against_hours(found: Run, initial: float) -> dict[str, Any]:
    course: dict[str, Any] = dict(course_of(found))
    hours = found.questions[-1] * SECONDS_PER_ANSWER / 3600
    drawn = found.accepted[-1] * SECONDS_PER_DRAWING / 3600
    return {
        **course,
        "hours": [initial + questions * SECONDS_PER_ANSWER / 3600 for questions in course["questions"]],
        "verification_hours": float(hours),
        "saving": float(drawn / (initial + hours)),
        "saving_without_initial": float(drawn / hours) if hours else 0.0,
        "end": {name: course[name][-1] for name in ("questions", "accepted", "quality", "sq", "precision")},
    }


def _by_hand(initial: float, most: float, share: float) -> dict[str, list[float]]:
    """As many masks as the same hours bring, all of them drawn, the initial set's being the first."""
    hours = np.linspace(initial, initial + most, POINTS)
    return {
        "hours": hours.tolist(),
        "accepted": (hours * 3600 / (SECONDS_PER_DRAWING * share)).tolist(),
    }


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Masks against hours, and their quality."""
    masks, quality = figure.subplots(1, 2)
    for name, method in numbers["methods"].items():
        masks.plot(method["hours"], method["accepted"], label=name)
        started = np.array(method["accepted"]) > 0
        quality.plot(np.array(method["hours"])[started], np.array(method["quality"])[started])
    for name in ("drawing", "corrective clicks"):
        masks.plot(numbers[name]["hours"], numbers[name]["accepted"], "--", label=name)
    masks.set(xlabel="hours, the initial set's among them", title="masks", yscale="log")
    quality.set(xlabel="hours, the initial set's among them", title="quality (mean IoU)", ylim=(0.5, 1))
    masks.legend(fontsize=7)
