"""Fig. 8 and the confidence baseline: other ways to come by masks, against hours of people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.experiments.courses import Course, course_of
from pipeline.experiments.lsun import lsun
from pipeline.experiments.setting import Setting
from pipeline.experiments.worlds import World, run
from pipeline.metrics import SECONDS_PER_ANSWER, SECONDS_PER_DRAWING

CLICKS_SHARE = 0.5
"""Corrective clicks cost about half of drawing, a mask."""
POINTS = 60
LARGEST = 3


def measure(setting: Setting) -> dict[str, Any]:
    """Masks and their quality against hours for the whole world, and per class for the largest three.

    The initial set's drawing time counts for every method but drawing itself.
    """
    largest = np.argsort([-tree.n for tree in setting.world.trees])[:LARGEST]
    worlds = {"all classes": setting.world}
    for rank, index in enumerate(largest, start=1):
        worlds[f"class {rank} by size"] = setting.world.only(int(index))
    return {
        "initial_hours": setting.drawn * SECONDS_PER_DRAWING / 3600,
        "worlds": {name: _methods(setting, world) for name, world in worlds.items()},
        "confidence": confidence_baseline(setting),
    }


def _methods(setting: Setting, world: World) -> dict[str, Course]:
    papers = run(world, setting.thresholds, rule="paper", seed=setting.seed, reuse=False)
    ours = run(
        world,
        setting.thresholds,
        rule="sequential",
        strategy="expected_yield",
        calibration=setting.calibration,
        seed=setting.seed,
    )
    found = {"paper": course_of(papers), "sequential, by expected yield": course_of(ours)}
    found["naive verification"] = _naive(world, setting.thresholds.k_iou)
    found["LSUN"] = lsun(world, k_iou=setting.thresholds.k_iou, rng=np.random.default_rng(setting.seed))
    for course in found.values():
        course["hours"] = [questions * SECONDS_PER_ANSWER / 3600 for questions in course["questions"]]
    longest = max(course["hours"][-1] for course in found.values() if course["hours"])
    for name, share in (("drawing", 1.0), ("corrective clicks", CLICKS_SHARE)):
        hours = np.geomspace(longest / 1e4, longest, POINTS)
        found[name] = {
            "hours": hours.tolist(),
            "accepted": (hours * 3600 / (SECONDS_PER_DRAWING * share)).tolist(),
            "quality": [],
        }
    return found


def _naive(world: World, k_iou: float) -> Course:
    """Ask about every mask, the highest score first, and keep those with a yes."""
    scores = np.concatenate([np.diff(tree.score_sum) for tree in world.trees])
    ious = np.concatenate(world.ious)[np.argsort(-scores, kind="stable")]
    at = np.unique(np.geomspace(1, len(ious), POINTS).round().astype(int)) - 1
    kept = np.cumsum(ious >= k_iou)[at]
    quality = np.cumsum(np.where(ious >= k_iou, ious, 0))[at] / np.maximum(kept, 1)
    return {"questions": (at + 1).tolist(), "accepted": kept.tolist(), "quality": quality.tolist()}


def confidence_baseline(setting: Setting) -> dict[str, float]:
    """Masks taken from the highest score down, against the campaign's number and quality (Sec. 5.1)."""
    accepted = run(setting.world, replace(setting.thresholds, min_size=1), calibration=setting.calibration)
    scores = np.concatenate([np.diff(tree.score_sum) for tree in setting.world.trees])
    ious = np.concatenate(setting.world.ious)[np.argsort(-scores, kind="stable")]
    quality = np.cumsum(ious, dtype=np.float64) / np.arange(1, len(ious) + 1)
    count = int(accepted.accepted[-1])
    as_good = np.flatnonzero(quality >= accepted.quality())
    return {
        "accepted": count,
        "quality": accepted.quality(),
        "score_alone_quality_at_that_number": float(quality[count - 1]),
        "score_alone_number_at_that_quality": int(as_good[-1] + 1) if len(as_good) else 0,
    }


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Masks and quality against hours, a column per world."""
    axes = figure.subplots(2, len(numbers["worlds"]), sharex="col")
    for column, (name, methods) in zip(axes.T, numbers["worlds"].items(), strict=True):
        for method, course in methods.items():
            started = np.array(course["accepted"]) > 0
            hours = np.array(course["hours"])[started]
            line = "--" if method in ("drawing", "corrective clicks") else "-"
            column[0].plot(hours, np.array(course["accepted"])[started], line, label=method)
            if course["quality"]:
                column[1].plot(hours, np.array(course["quality"])[started], line)
        column[0].set(title=name, xscale="log", yscale="log")
        column[1].set(xlabel="hours after the initial set", ylim=(0.5, 1))
    axes[0, 0].set_ylabel("masks")
    axes[1, 0].set_ylabel("quality (mean IoU)")
    axes[0, 0].legend(fontsize=7)
