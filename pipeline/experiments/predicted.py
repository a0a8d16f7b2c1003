"""Real predictions with ground truth, read from COCO files: what the experiments start from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import coco, masks
from pipeline.coco import CocoAnnotation, CocoImage, CocoResult
from pipeline.descriptors import CropFeatures, Descriptors
from pipeline.metrics import best_ious
from pipeline.pictures import ImageSource, pixels, read_upright
from pipeline.progress import Progress, silent, tracked


@dataclass(frozen=True, slots=True)
class Predicted:
    """n predictions, one row each.

    Attributes
    ----------
    features : (n, d) float32
    scores : (n,) float32, s = class score x predicted IoU
    confidences : (n,) float32, the class score alone
    ious : (n,) float32, IoU with the best object of the category; 0 without any
    categories, images : (n,) int64 ids
    drawn : objects in the images, crowd regions left out
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    confidences: NDArray[np.float32]
    ious: NDArray[np.float32]
    categories: NDArray[np.int64]
    images: NDArray[np.int64]
    drawn: int

    def __len__(self) -> int:
        return len(self.scores)

    def of(self, rows: NDArray[np.bool_]) -> Predicted:
        """The rows marked."""
        columns = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "drawn"}
        return Predicted(**columns, drawn=self.drawn)


def read(
    folder: Path,
    *,
    confidence: float,
    cache: Path,
    features: CropFeatures | None = None,
    progress: Progress = silent,
) -> Predicted:
    """Read `annotations.json`, `predictions.json` and `images/` of a folder; keep the result under `cache`.

    Parameters
    ----------
    confidence : predictions of a lower class score are left out
    features : what makes feature vectors of masks; mask and crop descriptors by default
    """
    describe = features or Descriptors()
    digest = hashlib.sha256(describe.name.encode())
    for name in ("annotations.json", "predictions.json"):
        digest.update((folder / name).read_bytes())
    kept = cache / f"predicted-{digest.hexdigest()[:16]}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        whole = _computed(folder, describe, progress)
        with kept.with_suffix(".partial").open("wb") as file:
            np.savez_compressed(file, **{name: getattr(whole, name) for name in Predicted.__slots__})
        kept.with_suffix(".partial").replace(kept)
    with np.load(kept, allow_pickle=False) as stored:
        columns = {name: stored[name] for name in Predicted.__slots__ if name != "drawn"}
        whole = Predicted(**columns, drawn=int(stored["drawn"]))
    return whole.of(whole.confidences >= confidence)


def _computed(folder: Path, features: CropFeatures, progress: Progress) -> Predicted:
    truth: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in coco.read_annotations(folder / "annotations.json"):
        if not annotation.iscrowd:
            truth[annotation.image_id].append(annotation)
    results: dict[int, list[CocoResult]] = defaultdict(list)
    for result in coco.read_results(folder / "predictions.json"):
        results[int(result.image_id)].append(result)
    images = [image for image in coco.read_images(folder / "annotations.json") if results[image.id]]
    parts = [
        _of_image(folder, image, results[image.id], truth[image.id], features)
        for image in tracked(images, len(images), progress, "Describing masks")
    ]
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Predicted(**columns, drawn=sum(len(objects) for objects in truth.values()))


def _of_image(
    folder: Path,
    image: CocoImage,
    results: list[CocoResult],
    truth: list[CocoAnnotation],
    features: CropFeatures,
) -> dict[str, NDArray[np.generic]]:
    """The columns of one image's predictions."""
    picture = pixels(read_upright(ImageSource.from_path(folder / "images" / image.file_name)))
    height, width = picture.shape[:2]
    rles = [masks.from_coco(result.segmentation, height=height, width=width) for result in results]
    categories = np.array([result.category_id for result in results])
    ious = np.zeros(len(results), dtype=np.float32)
    for category in np.unique(categories):
        rows = np.flatnonzero(categories == category)
        objects = [
            masks.from_coco(annotation.segmentation, height=height, width=width)
            for annotation in truth
            if annotation.category_id == category
        ]
        ious[rows] = best_ious([rles[row] for row in rows], objects)
    confidences = np.array([result.score for result in results], dtype=np.float32)
    scores = confidences * np.array([result.predicted_iou for result in results], dtype=np.float32)
    return {
        "features": features.describe(picture, rles),
        "scores": scores,
        "confidences": confidences,
        "ious": ious,
        "categories": categories,
        "images": np.full(len(results), image.id),
    }
