"""How good accepted masks are, and what they cost (Sec. 5.1, Evaluation protocol; Sec. 6).

Tallies are kept per image and category and added up, so no project's masks ever sit in memory together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline import masks
from pipeline.predictions import Rle

MATCHED = 0.5
"""Masks match from above this IoU, as in panoptic segmentation."""
SECONDS_PER_QUESTION = 1.4
"""Measured on the paper's crowd (Sec. 6): for holding results to the paper's."""
SECONDS_PER_ANSWER = 2.0
"""As the paper's simulations count (Sec. 5.2): for saying beforehand what people's answers will take."""
SECONDS_PER_DRAWING = 80.0
"""Of one mask, by hand (Sec. 2, from COCO)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over accepted masks and the objects of their images.

    Attributes
    ----------
    accepted : masks that were accepted, without the `ignored`
    correct : accepted masks with IoU >= K_iou with some object
    objects : ground-truth masks, crowd regions left out
    matched : pairs of an accepted mask and an object, one to one, with IoU > 0.5
    iou : sum of the IoUs of the matched pairs
    best_iou : sum over accepted masks of the IoU with their best object
    ignored : accepted masks that match no object and lie mostly in a crowd region: neither right nor wrong
    """

    accepted: int = 0
    correct: int = 0
    objects: int = 0
    matched: int = 0
    iou: float = 0.0
    best_iou: float = 0.0
    ignored: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))

    @property
    def sq(self) -> float:
        """Segmentation quality: mean IoU of the matched pairs; NaN without any."""
        return _share(self.iou, self.matched)

    @property
    def precision(self) -> float:
        """Share of accepted masks that are correct; NaN without any."""
        return _share(self.correct, self.accepted)

    @property
    def quality(self) -> float:
        """The paper's annotation quality: mean IoU of accepted masks with their objects; NaN without any."""
        return _share(self.best_iou, self.accepted)

    @property
    def coverage(self) -> float:
        """Share of the objects that were found; NaN without any."""
        return _share(self.matched, self.objects)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def matches(
    iou: NDArray[np.floating], *, threshold: float = MATCHED
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of an (n, m) IoU matrix paired one to one, each pair above `threshold`.

    The assignment has the largest sum of IoUs. Where masks do not overlap each other, as in panoptic
    segmentation, IoU > 0.5 alone makes the pairs unique and this finds just these.
    """
    gains = np.where(iou > threshold, iou, 0.0)
    rows, columns = linear_sum_assignment(gains, maximize=True)
    kept = gains[rows, columns] > 0
    return rows[kept].astype(np.int64), columns[kept].astype(np.int64)


def best_ious(
    predicted: Sequence[Rle], truth: Sequence[Rle], crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """(n,) IoU of each predicted mask with its best object of the same image and category; 0 without any.

    Crowd regions (`crowd`, (m,) bool) are no objects.
    """
    objects = [rle for i, rle in enumerate(truth) if crowd is None or not crowd[i]]
    return best_objects(predicted, objects)[0]


def best_objects(
    predicted: Sequence[Rle], objects: Sequence[Rle]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(n,) IoU of each predicted mask with its best object, and (n,) which that is; 0 and -1 without any."""
    iou = masks.iou(predicted, objects)
    best = iou.max(axis=1, initial=0.0)
    which = iou.argmax(axis=1) if len(objects) else np.zeros(len(predicted), dtype=np.int64)
    return best, np.where(best > 0, which, -1).astype(np.int64)


def tally(
    accepted: Sequence[Rle],
    truth: Sequence[Rle],
    *,
    k_iou: float,
    crowd: NDArray[np.bool_] | None = None,
) -> Tally:
    """The tally of one image and category.

    Parameters
    ----------
    accepted : accepted masks
    truth : ground-truth masks, crowd regions among them
    crowd : (m,) bool, which of `truth` are crowd regions; None for none of them
    """
    is_crowd = np.zeros(len(truth), dtype=bool) if crowd is None else np.asarray(crowd, dtype=bool)
    regions = [rle for i, rle in enumerate(truth) if is_crowd[i]]
    iou = masks.iou(accepted, [rle for i, rle in enumerate(truth) if not is_crowd[i]])
    rows, columns = matches(iou)
    best = iou.max(axis=1, initial=0.0)
    inside = masks.iou(accepted, regions, [True] * len(regions)).max(axis=1, initial=0.0)
    unmatched = ~np.isin(np.arange(len(accepted)), rows)
    counts = ~(unmatched & (best < k_iou) & (inside > MATCHED))
    return Tally(
        accepted=int(counts.sum()),
        correct=int((best >= k_iou).sum()),
        objects=iou.shape[1],
        matched=len(rows),
        iou=float(iou[rows, columns].sum()),
        best_iou=float(best[counts].sum()),
        ignored=int((~counts).sum()),
    )


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together; the tally of nothing when there are none."""
    return sum(tallies, start=Tally())


@dataclass(frozen=True, slots=True)
class HumanTime:
    """The hours of people that a dataset took, against drawing every mask of it.

    Attributes
    ----------
    questions : answers given, those of quality control included
    drawn : masks of the initial set, drawn by hand
    accepted : masks that the questions brought
    """

    questions: int
    drawn: int
    accepted: int
    seconds_per_question: float = SECONDS_PER_QUESTION
    seconds_per_drawing: float = SECONDS_PER_DRAWING

    @property
    def verification_hours(self) -> float:
        return self.questions * self.seconds_per_question / 3600

    @property
    def initial_hours(self) -> float:
        return self.drawn * self.seconds_per_drawing / 3600

    @property
    def hours(self) -> float:
        return self.verification_hours + self.initial_hours

    @property
    def drawing_hours(self) -> float:
        """What drawing the accepted masks by hand would take."""
        return self.accepted * self.seconds_per_drawing / 3600

    @property
    def speed_up(self) -> float:
        """How many times longer drawing takes; NaN when nothing was spent."""
        return _share(self.drawing_hours, self.hours)
