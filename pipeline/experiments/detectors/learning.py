"""Sec. 4, Detection: what a detector learns, and whether its predicted IoU tells good masks from bad ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.detection.validation import average_precision, validate
from pipeline.experiments.detectors.trial import Trial, see


def measure(trial: Trial) -> dict[str, Any]:
    """AP of the masks; rank correlation of predicted and real IoU; AP of "IoU >= K_iou" by each score."""
    from scipy.stats import spearmanr

    images, k_iou = trial.paint(), Thresholds().k_iou
    predictor = trial.train(images["initial"], name=f"initial-{len(images['initial'])}")
    found = validate(predictor, images["heldout"], k_iou=k_iou, progress=trial.progress)
    seen = see(predictor, images["heldout"], progress=trial.progress)
    correct = (seen.ious >= k_iou).astype(float)
    scores = {"s": seen.scores, "class score": seen.class_scores, "predicted IoU": seen.predicted_ious}
    return {
        "images": len(images["initial"]),
        "validation": found.to_json(),
        "spearman_predicted_iou": float(spearmanr(seen.predicted_ious, seen.ious).statistic),
        "ap_of_correct": {
            name: average_precision(values.tolist(), correct.tolist(), objects=int(correct.sum()))
            for name, values in scores.items()
        },
        "points": np.column_stack([seen.predicted_ious, seen.ious]).round(3).tolist(),
        "correct": correct.astype(int).tolist(),
        "scores": {name: values.astype(float).round(4).tolist() for name, values in scores.items()},
    }


def summarise(numbers: dict[str, Any]) -> str:
    """The figures in a few lines."""
    found, by = numbers["validation"], numbers["ap_of_correct"]
    return (
        f"held-out AP50 {found['ap50']:.3f}, AP75 {found['ap75']:.3f}, {found['correct']:.0%} of "
        f"{found['predictions']} predictions correct\n"
        f"Spearman of predicted and real IoU: {numbers['spearman_predicted_iou']:.3f}\n"
        "AP of 'IoU >= 0.75' by " + ", ".join(f"{name} {value:.3f}" for name, value in by.items())
    )


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Predicted against real IoU, and what each score makes of "is it correct?"."""
    left, right = figure.subplots(1, 2)
    left.scatter(*np.array(numbers["points"]).T, s=4, alpha=0.4)
    left.set(xlabel="predicted IoU", ylabel="IoU", title=f"Spearman {numbers['spearman_predicted_iou']:.2f}")
    correct = np.array(numbers["correct"])
    for name, values in numbers["scores"].items():
        ranked = np.cumsum(correct[np.argsort(-np.array(values), kind="stable")])
        precision = ranked / np.arange(1, len(ranked) + 1)
        right.plot(ranked / ranked[-1], precision, label=f"{name}: {numbers['ap_of_correct'][name]:.3f}")
    right.set(xlabel="recall of IoU >= 0.75", ylabel="precision", title="average precision by score")
    right.legend()
    right.grid(alpha=0.3)
