"""How right predictions on held-out images are, by their ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.gathering import CategoryRows
from annotation_site.catalog.models import Annotation, Category, Role
from pipeline import masks
from pipeline.metrics import MATCHED
from pipeline.predictions import Rle

IMAGES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Truth:
    """What the ground truth says of n masks.

    Attributes
    ----------
    ious : (n,) float64, with the best object of the same category and image; 0 where there is none
    unknown : (n,) bool, incorrect by that, but mostly in a crowd region: such a mask is neither right nor
    wrong
    """

    ious: NDArray[np.float64]
    unknown: NDArray[np.bool_]


def heldout_truth(rows: CategoryRows, category: Category, *, k_iou: float) -> Truth:
    """Compare masks on held-out images with the annotations of their category."""
    ious, unknown = np.zeros(len(rows)), np.zeros(len(rows), bool)
    by_image = np.argsort(rows.images, kind="stable")
    images, first = np.unique(rows.images[by_image], return_index=True)
    groups = dict(zip(images.tolist(), np.split(by_image, first[1:]), strict=True))
    for start in range(0, len(images), IMAGES_AT_ONCE):
        annotations = _annotations(images[start : start + IMAGES_AT_ONCE].tolist(), category)
        for image, known in annotations.items():
            group = groups[image]
            ious[group], inside = _compare(rows.rles(group), known)
            unknown[group] = (ious[group] < k_iou) & (inside > MATCHED)
    return Truth(ious, unknown)


def _annotations(images: list[int], category: Category) -> dict[int, list[tuple[Rle, bool]]]:
    """Masks and crowd flags by image; images without any are absent."""
    stored = Annotation.objects.filter(image__in=images, image__role=Role.HELDOUT, category=category)
    found: dict[int, list[tuple[Rle, bool]]] = {}
    for annotation in stored.select_related("image").order_by("id"):
        found.setdefault(annotation.image_id, []).append((annotation.rle, annotation.is_crowd))
    return found


def _compare(
    predicted: list[Rle], known: list[tuple[Rle, bool]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) IoU with the best object, and (k,) share of each mask that lies in the best crowd region."""
    objects = [rle for rle, is_crowd in known if not is_crowd]
    regions = [rle for rle, is_crowd in known if is_crowd]
    inside = masks.iou(predicted, regions, [True] * len(regions))
    return masks.iou(predicted, objects).max(axis=1, initial=0.0), inside.max(axis=1, initial=0.0)
