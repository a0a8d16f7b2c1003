"""How right predictions on held-out images are, by their ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.gathering import CategoryRows
from annotation_site.catalog.models import Annotation, Category, Role
from pipeline import masks
from pipeline.metrics import MATCHED, best_objects
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
    objects : (n,) int64, id of the best object's annotation; 0 where there is none
    """

    ious: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    objects: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Known:
    """The annotations of one image and category."""

    objects: list[tuple[int, Rle]]
    regions: list[Rle]


def heldout_truth(rows: CategoryRows, category: Category, *, k_iou: float) -> Truth:
    """Compare masks on held-out images with the annotations of their category."""
    ious, unknown = np.zeros(len(rows)), np.zeros(len(rows), bool)
    objects = np.zeros(len(rows), np.int64)
    by_image = np.argsort(rows.images, kind="stable")
    images, first = np.unique(rows.images[by_image], return_index=True)
    groups = dict(zip(images.tolist(), np.split(by_image, first[1:]), strict=True))
    for start in range(0, len(images), IMAGES_AT_ONCE):
        annotations = _annotations(images[start : start + IMAGES_AT_ONCE].tolist(), category)
        for image, known in annotations.items():
            group = groups[image]
            ious[group], objects[group], inside = _compare(rows.rles(group), known)
            unknown[group] = (ious[group] < k_iou) & (inside > MATCHED)
    return Truth(ious, unknown, objects)


def _annotations(images: list[int], category: Category) -> dict[int, _Known]:
    """What is annotated, by image; images without any are absent."""
    stored = Annotation.objects.filter(image__in=images, image__role=Role.HELDOUT, category=category)
    found: dict[int, _Known] = {}
    for annotation in stored.select_related("image").order_by("id"):
        known = found.setdefault(annotation.image_id, _Known([], []))
        if annotation.is_crowd:
            known.regions.append(annotation.rle)
        else:
            known.objects.append((annotation.pk, annotation.rle))
    return found


def _compare(
    predicted: list[Rle], known: _Known
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """(k,) IoU with the best object, (k,) its id, (k,) share of each mask in the best crowd region."""
    ious, best = best_objects(predicted, [rle for _, rle in known.objects])
    ids = np.array([*(pk for pk, _ in known.objects), 0])  # the last, 0, is where -1 points
    inside = masks.iou(predicted, known.regions, [True] * len(known.regions))
    return ious, ids[best], inside.max(axis=1, initial=0.0)
