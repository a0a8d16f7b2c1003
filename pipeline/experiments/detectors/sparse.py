"""Sec. 4, Training on sparse annotations: what it costs to take objects nobody annotated for background.

As after a first round: a quarter of the images is annotated completely, of the others half of the objects are
known, and the model of the first quarter has predicted masks in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline import masks
from pipeline.decisions import Thresholds
from pipeline.detection import AnnotatedImage, Predictor
from pipeline.detection.validation import validate
from pipeline.experiments.detectors.trial import Trial
from pipeline.metrics import MATCHED
from pipeline.predictions import Predictions

COMPLETE = 0.25
KNOWN = 0.5


def measure(trial: Trial) -> dict[str, Any]:
    """AP on held-out scenes of four trainings on the same images."""
    images = trial.paint()
    whole = images["initial"]
    complete = whole[: round(COMPLETE * len(whole))]
    first = trial.train(complete, name="complete-images-only")
    kept = [thinned(image, seed=trial.seed + row) for row, image in enumerate(whole[len(complete) :])]
    sets = {
        "complete images only": complete,
        "vanilla": [*complete, *kept],
        "sparse-aware": [*complete, *as_sparse(kept, first)],
        "everything annotated": whole,
    }
    trained = {name: trial.train(learnt, name=name.replace(" ", "-")) for name, learnt in sets.items()}
    found = {
        name: validate(predictor, images["heldout"], k_iou=Thresholds().k_iou, progress=trial.progress)
        for name, predictor in trained.items()
    }
    return {
        "trainings": {name: one.to_json() for name, one in found.items()},
        "annotations": {name: sum(len(one.masks) for one in learnt) for name, learnt in sets.items()},
    }


def thinned(image: AnnotatedImage, *, seed: int) -> AnnotatedImage:
    """The image with half of its annotations, chosen at random; an odd one stays."""
    known = math.ceil(KNOWN * len(image.masks))
    rows = np.sort(np.random.default_rng(seed).permutation(len(image.masks))[:known])
    return replace(
        image,
        categories=image.categories[rows],
        masks=[image.masks[row] for row in rows],
        crowd=image.crowd[rows],
    )


def as_sparse(images: Sequence[AnnotatedImage], predictor: Predictor) -> list[AnnotatedImage]:
    """The images told to be incomplete, with what the predictor sees beyond their annotations as ignored."""
    detections = predictor.predict([image.source for image in images])
    return [_told(image, detection.predictions) for image, detection in zip(images, detections, strict=True)]


def _told(image: AnnotatedImage, found: Predictions | None) -> AnnotatedImage:
    if found is None:
        return replace(image, sparse=True)
    known = masks.iou(found.masks, image.masks).max(axis=1, initial=0.0) >= MATCHED
    unknown = np.flatnonzero(~known)
    return replace(
        image,
        sparse=True,
        ignored=[found.masks[row] for row in unknown],
        ignored_scores=found.scores[unknown].tolist(),
    )


def summarise(numbers: dict[str, Any]) -> str:
    """One line a training."""
    return "\n".join(
        f"{name:>22}: {numbers['annotations'][name]:>4} annotations, AP50 {found['ap50']:.3f}, "
        f"AP75 {found['ap75']:.3f}"
        for name, found in numbers["trainings"].items()
    )


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """AP side by side."""
    axis = figure.subplots()
    names = list(numbers["trainings"])
    for offset, metric in ((-0.2, "ap50"), (0.2, "ap75")):
        heights = [numbers["trainings"][name][metric] for name in names]
        bars = axis.bar(np.arange(len(names)) + offset, heights, 0.4, label=metric.upper())
        axis.bar_label(bars, fmt="%.2f")
    axis.set_xticks(np.arange(len(names)), names)
    axis.legend()
