"""Courses of searches as JSON, and drawn as the paper draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.experiments.worlds import Run

POINTS = 120
Course = dict[str, list[float]]
_QUANTITIES = ("clusters", "questions", "accepted", "accepted_clusters", "quality", "sq", "precision")


def course_of(run: Run) -> Course:
    """A run at points evenly spread over the logarithm of the clusters annotated."""
    if not len(run.questions):
        return {name: [] for name in _QUANTITIES}
    last = len(run.questions)
    at = np.unique(np.geomspace(1, last, POINTS).round().astype(int)) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        quality, sq = run.iou[at] / run.accepted[at], run.matched_iou[at] / run.matched[at]
        precision = run.correct[at] / run.accepted[at]
    return {
        "clusters": run.clusters[at].tolist(),
        "questions": run.questions[at].tolist(),
        "accepted": run.accepted[at].tolist(),
        "accepted_clusters": run.accepted_clusters[at].tolist(),
        "quality": _plain(quality),
        "sq": _plain(sq),
        "precision": _plain(precision),
    }


def _plain(values: np.ndarray) -> list[float]:
    """JSON knows no NaN: nothing accepted yet has quality 0."""
    return [float(value) for value in np.nan_to_num(values)]


def end_of(run: Run) -> dict[str, float]:
    """Where a run ended."""
    ended = {name: values[-1] for name, values in course_of(run).items() if values}
    return {name: float(value) for name, value in ended.items()}


def draw_courses(
    courses: Mapping[str, Course], figure: Any, *, x: str, label: str, panels: tuple[tuple[str, str], ...]
) -> None:
    """One panel per quantity against `x`, one line per course; logarithmic but for shares."""
    axes = figure.subplots(1, len(panels))
    for panel, (quantity, title) in zip(np.atleast_1d(axes), panels, strict=True):
        for name, course in courses.items():
            started = np.array(course["accepted"]) > 0
            xs, ys = np.array(course[x])[started], np.array(course[quantity])[started]
            panel.plot(xs, ys, label=name, linestyle="--" if "oracle" in name else "-", linewidth=1.4)
        panel.set_xscale("log")
        if quantity not in ("quality", "sq", "precision"):
            panel.set_yscale("log")
        panel.set_xlabel(label)
        panel.set_title(title)
        panel.grid(alpha=0.3)
    np.atleast_1d(axes)[0].legend(fontsize=7)


PAPER_PANELS = (
    ("accepted_clusters", "accepted clusters"),
    ("accepted", "accepted masks"),
    ("quality", "annotation quality (mean IoU)"),
)
