"""What a detector predicts: the one format between detection, foreign predictions, and clustering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

FEATURE_KINDS = ("mask", "backbone", "mask_iou", "attention")
"""The paper's four feature vectors of a mask (Sec. 5.1), reduced to at most 1024 dimensions."""


class Rle(TypedDict):
    """A run-length encoded mask as pycocotools has it: size [height, width], compressed counts."""

    size: list[int]
    counts: bytes


@dataclass(frozen=True, slots=True)
class Predictions:
    """k predicted masks of one image.

    Attributes
    ----------
    categories : (k,) int32, COCO category ids of the project
    boxes : (k, 4) float32, x, y, width, height in pixels of the upright image
    class_scores : (k,) float32 in [0, 1]
    predicted_ious : (k,) float32 in [0, 1]; ones where the model predicts none
    masks : k RLEs at the size of the upright image
    features : kind -> (k, d) float16 or float32
    """

    categories: NDArray[np.int32]
    boxes: NDArray[np.float32]
    class_scores: NDArray[np.float32]
    predicted_ious: NDArray[np.float32]
    masks: list[Rle]
    features: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(k,) float32: s = class score x predicted IoU (Sec. 4, Detection)."""
        return self.class_scores * self.predicted_ious

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Predictions:
        """The predictions of the given rows (indices or a mask), in that order."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Predictions(
            categories=self.categories[index],
            boxes=self.boxes[index],
            class_scores=self.class_scores[index],
            predicted_ious=self.predicted_ious[index],
            masks=[self.masks[i] for i in index],
            features={kind: rows_of[index] for kind, rows_of in self.features.items()},
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Predictions]) -> Predictions:
        """All rows of `parts`, one after the other.

        Raises
        ------
        ValueError
            When `parts` is empty, or its members hold different feature kinds.
        """
        listed = list(parts)
        if not listed:
            raise ValueError("No predictions to concatenate.")
        kinds = set(listed[0].features)
        if any(set(part.features) != kinds for part in listed):
            raise ValueError(
                f"Predictions with different feature kinds: {[sorted(p.features) for p in listed]}."
            )
        return cls(
            categories=np.concatenate([part.categories for part in listed]),
            boxes=np.concatenate([part.boxes for part in listed]),
            class_scores=np.concatenate([part.class_scores for part in listed]),
            predicted_ious=np.concatenate([part.predicted_ious for part in listed]),
            masks=[mask for part in listed for mask in part.masks],
            features={
                kind: np.concatenate([part.features[kind] for part in listed]) for kind in sorted(kinds)
            },
        )
