"""How good a trained detector is on annotated images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import masks
from pipeline.detection.detector import AnnotatedImage, Predictor
from pipeline.predictions import Predictions, Rle
from pipeline.progress import Progress, silent

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads precision off the curve."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures of one validation.

    Attributes
    ----------
    images : that could be read
    objects : annotated on them, without crowd regions
    predictions : from the detector's confidence on
    ap50, ap75 : COCO's average precision of masks at IoU 0.5 and 0.75, ranked by s, mean over the categories
    that
        have objects
    correct : share of the predictions with IoU >= K_iou with an object of their category
    """

    images: int
    objects: int
    predictions: int
    ap50: float
    ap75: float
    correct: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain numbers."""
        return asdict(self)


@dataclass(slots=True)
class _Outcomes:
    """Of one category: objects seen, and per prediction its score, best IoU, and match at each threshold."""

    objects: int = 0
    scores: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    matched: dict[float, list[float]] = field(default_factory=lambda: {0.5: [], 0.75: []})


def validate(
    predictor: Predictor, images: Sequence[AnnotatedImage], *, k_iou: float, progress: Progress = silent
) -> Validation:
    """Predict on `images` and compare with their annotations; images that cannot be read do not count."""
    outcomes = {category: _Outcomes() for category in predictor.category_ids}
    read = 0
    found = predictor.predict([image.source for image in images], progress=progress)
    for image, detection in zip(images, found, strict=True):
        if detection.predictions is not None:
            read += 1
            _add(outcomes, image, detection.predictions)
    with_objects = [outcome for outcome in outcomes.values() if outcome.objects]
    best = np.array([iou for outcome in outcomes.values() for iou in outcome.best])
    return Validation(
        images=read,
        objects=sum(outcome.objects for outcome in with_objects),
        predictions=len(best),
        ap50=_mean(average_precision(o.scores, o.matched[0.5], objects=o.objects) for o in with_objects),
        ap75=_mean(average_precision(o.scores, o.matched[0.75], objects=o.objects) for o in with_objects),
        correct=float(np.mean(best >= k_iou)) if len(best) else 0.0,
    )


def average_precision(scores: Sequence[float], matched: Sequence[float], *, objects: int) -> float:
    """COCO's average precision: mean of the best precision at 101 recalls or beyond.

    Parameters
    ----------
    scores : of the predictions, in any order; equal ones keep theirs
    matched : 1 for a prediction that found an object, 0 for one that did not, NaN for one to ignore
    objects : that there were to find
    """
    hit = np.array(matched, np.float64)[np.argsort(-np.array(scores, np.float64), kind="stable")]
    hit = hit[~np.isnan(hit)]
    if not objects or not len(hit):
        return 0.0
    true = np.cumsum(hit)
    precision = np.maximum.accumulate((true / np.arange(1, len(hit) + 1))[::-1])[::-1]
    at = np.searchsorted(true / objects, RECALLS, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def match_in_order(
    iou: NDArray[np.float64], crowd_iou: NDArray[np.float64], *, threshold: float
) -> NDArray[np.float64]:
    """Match predictions to objects as COCO does: each, best first, takes the free object of largest IoU.

    Parameters
    ----------
    iou : (k, m) with the objects, predictions best first
    crowd_iou : (k,) share of each prediction in its best crowd region

    Returns
    -------
    (k,) 1 where matched, 0 where not, NaN where it only matches a crowd region
    """
    matched = np.where(crowd_iou >= threshold, np.nan, 0.0)
    free = iou.copy()
    for row in range(len(free)):
        if free.shape[1] and free[row].max() >= threshold:
            matched[row] = 1.0
            free[:, free[row].argmax()] = -1.0
    return matched


def _add(outcomes: Mapping[int, _Outcomes], image: AnnotatedImage, predictions: Predictions) -> None:
    for category, outcome in outcomes.items():
        objects = _masks(image, category, crowd=False)
        regions = _masks(image, category, crowd=True)
        rows = np.flatnonzero(predictions.categories == category)
        rows = rows[np.argsort(-predictions.scores[rows], kind="stable")]
        predicted = [predictions.masks[i] for i in rows]
        iou = masks.iou(predicted, objects)
        inside = masks.iou(predicted, regions, [True] * len(regions)).max(axis=1, initial=0.0)
        outcome.objects += len(objects)
        outcome.scores += predictions.scores[rows].tolist()
        outcome.best += iou.max(axis=1, initial=0.0).tolist()
        for threshold, matched in outcome.matched.items():
            matched += match_in_order(iou, inside, threshold=threshold).tolist()


def _masks(image: AnnotatedImage, category: int, *, crowd: bool) -> list[Rle]:
    chosen = np.flatnonzero((image.categories == category) & (image.crowd == crowd))
    return [image.masks[i] for i in chosen.tolist()]


def _mean(values: Iterator[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
