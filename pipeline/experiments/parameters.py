"""N_s, K_a and K_iou: the paper's choice under SQ >= 0.85 (Sec. 5.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.experiments.setting import Setting
from pipeline.experiments.worlds import run

SAMPLES = (5, 8, 10, 15, 20, 30, 50, 10**6)
K_AS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
K_IOUS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
REPEATS = 3
WANTED_SQ = 0.85


def measure(setting: Setting) -> dict[str, Any]:
    """SQ, precision, accepted masks and questions by N_s, and over the grid of K_a and K_iou at N_s = 15.

    All with the paper's rule on samples of their own, clusters of fewer than 15 masks left out; means over
    repeated samples. K_pa is calibrated for each pair of K_a and K_iou.
    """
    by_sample = [_ended(setting, n_s=n_s) for n_s in SAMPLES]
    grid = [_ended(setting, k_a=k_a, k_iou=k_iou) for k_a in K_AS for k_iou in K_IOUS]
    feasible = [point for point in grid if point["sq"] >= WANTED_SQ]
    return {
        "by_sample": by_sample,
        "grid": grid,
        "wanted_sq": WANTED_SQ,
        "chosen": max(feasible, key=lambda point: point["accepted"]) if feasible else None,
    }


def _ended(setting: Setting, **changed: float) -> dict[str, float]:
    wanted = replace(setting.thresholds, min_size=15, **changed)  # type: ignore[arg-type]
    _, thresholds = setting.held_out.calibrated(wanted)
    runs = [run(setting.world, thresholds, rule="paper", seed=seed, reuse=False) for seed in range(REPEATS)]
    ended = [one for one in runs if len(one.questions)]
    return {
        "n_s": thresholds.n_s,
        "k_a": thresholds.k_a,
        "k_iou": thresholds.k_iou,
        "k_pa": thresholds.k_pa,
        "questions": float(np.mean([one.questions[-1] for one in ended])) if ended else 0.0,
        "accepted": float(np.mean([one.accepted[-1] for one in ended])) if ended else 0.0,
        "sq": float(np.nan_to_num(np.nanmean([one.sq() for one in ended]))) if ended else 0.0,
        "precision": float(np.nan_to_num(np.nanmean([one.precision() for one in ended]))) if ended else 0.0,
    }


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """SQ and precision against N_s; SQ and accepted masks over K_a and K_iou."""
    samples, qualities, masks = figure.subplots(1, 3)
    points = numbers["by_sample"]
    names = ["∞" if point["n_s"] >= SAMPLES[-1] else str(point["n_s"]) for point in points]
    for measured in ("sq", "precision"):
        samples.plot(names, [point[measured] for point in points], marker="o", label=measured)
    samples.axhline(numbers["wanted_sq"], color="grey", linestyle=":")
    samples.set(xlabel="N_s", title="by sample size")
    samples.legend()
    for panel, measured, title in ((qualities, "sq", "SQ"), (masks, "accepted", "accepted masks")):
        values = np.array([point[measured] for point in numbers["grid"]]).reshape(len(K_AS), len(K_IOUS))
        panel.imshow(values, aspect="auto", origin="lower")
        for i, j in np.ndindex(values.shape):
            text = f"{values[i, j]:.2f}" if measured == "sq" else f"{values[i, j]:,.0f}"
            panel.text(j, i, text, ha="center", va="center", fontsize=7, color="white")
        panel.set_xticks(range(len(K_IOUS)), [str(k) for k in K_IOUS])
        panel.set_yticks(range(len(K_AS)), [str(k) for k in K_AS])
        panel.set(xlabel="K_iou", ylabel="K_a", title=title)
