"""The large simulation of Sec. 5.2: many classes with the skew of real datasets, searched to the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.experiments.asked import Asked
from pipeline.experiments.classwise import ClassResult, Way, each_class, joined
from pipeline.experiments.courses import course_of, draw_courses, end_of
from pipeline.experiments.questions import HELD_OUT, PRODUCT, RIVAL, Contender
from pipeline.experiments.triplets import TripletModel
from pipeline.experiments.worlds import grow
from pipeline.metrics import SECONDS_PER_ANSWER, SECONDS_PER_DRAWING

CONTENDERS = (RIVAL, Contender("paper"), PRODUCT)
_KNOWN = "every mask known (N_s = ∞)"


def measure(asked: Asked) -> dict[str, Any]:
    """Courses, ends, seconds and memory of a world of `asked.masks` masks in `asked.classes` classes.

    K_pa and the likelihoods come from a held-out world of 10,000 masks. Clusters of fewer than 15 masks are
    left out, as in the paper's crowd run; workers are always right.
    """
    began = time.perf_counter()
    model = TripletModel.load(asked.model).skewed(asked.classes, skew=asked.skew)
    ways = _ways(model, asked)
    results = list(
        each_class(
            model,
            ways,
            masks=asked.masks,
            seed=asked.seed,
            method=asked.linkage,
            processes=asked.processes,
            keep=asked.keep,
            progress=asked.progress,
        )
    )
    results.sort(key=lambda result: result.index)
    runs = {name: joined([result.courses[name] for result in results]) for name in ways}
    ends = {name: end_of(run) for name, run in runs.items()}
    for end in ends.values():
        end["hours"] = end["questions"] * SECONDS_PER_ANSWER / 3600
        end["speed_up"] = end["accepted"] * SECONDS_PER_DRAWING / 3600 / max(end["hours"], 1e-9)
    return {
        "world": f"{asked.masks:,} simulated masks in {asked.classes} classes",
        "masks": sum(result.masks for result in results),
        "largest_class": max(result.masks for result in results),
        "k_pa": next(iter(ways.values())).thresholds.k_pa,
        "courses": {name: course_of(run) for name, run in runs.items()},
        "ends": ends,
        "every_mask_known": _known(results),
        "seconds": time.perf_counter() - began,
        "core_seconds": _seconds(results),
        "peak_gb": sum(_peaks(results)),
        "processes": len(_peaks(results)),
    }


def _ways(model: TripletModel, asked: Asked) -> dict[str, Way]:
    held_out = grow(model.sample(HELD_OUT, seed=1_000_000 + asked.seed), method=asked.linkage)
    k_pa = held_out.calibrated(Thresholds())[0].k_pa
    ways = {}
    for contender in CONTENDERS:
        thresholds = replace(Thresholds(), k_a=contender.k_a, k_pa=k_pa)
        calibration, _ = held_out.calibrated(thresholds)
        ways[contender.name] = Way(
            contender.rule, contender.strategy, thresholds, calibration, reuse=contender.reuse
        )
    return ways


def _known(results: Sequence[ClassResult]) -> dict[str, float]:
    masks, correct, _, matched, matched_iou = np.sum([result.known for result in results], axis=0)
    return {
        "accepted": float(masks),
        "precision": float(correct / max(masks, 1)),
        "sq": float(matched_iou / max(matched, 1)),
    }


def _seconds(results: Sequence[ClassResult]) -> dict[str, float]:
    """Of a core, for all classes together."""
    return {step: sum(result.seconds[step] for result in results) for step in results[0].seconds}


def _peaks(results: Sequence[ClassResult]) -> list[float]:
    """The most memory that each process had at any time."""
    peaks: dict[int, float] = {}
    for result in results:
        peaks[result.process] = max(peaks.get(result.process, 0.0), result.peak_gb)
    return list(peaks.values())


def rows(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ends as rows of a table, N_s = ∞ the last."""
    ends = [{"way": name, **end} for name, end in numbers["ends"].items()]
    return [*ends, {"way": _KNOWN, **numbers["every_mask_known"]}]


def draw(numbers: Mapping[str, Any], figure: Any) -> None:
    """Accepted masks, precision and SQ against questions."""
    draw_courses(
        numbers["courses"],
        figure,
        x="questions",
        label="questions",
        panels=(("accepted", "accepted masks"), ("precision", "precision"), ("sq", "SQ")),
    )
