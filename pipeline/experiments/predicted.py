"""Real predictions with ground truth, read from COCO files: what the experiments start from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline import coco, masks
from pipeline.coco import CocoImage, CocoResult
from pipeline.descriptors import CropFeatures, Descriptors
from pipeline.metrics import best_objects
from pipeline.pictures import ImageSource, pixels, read_upright
from pipeline.predictions import Rle
from pipeline.progress import Progress, silent, tracked


class NotPredictions(ValueError):
    """A file does not hold what `Predicted.save` writes."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """n predictions with their truth, on images that show m annotated objects (crowd regions left out).

    Attributes
    ----------
    features : (n, d) float32
    scores : (n,) float32, s = class score x predicted IoU
    confidences : (n,) float32, the class score alone
    ious : (n,) float32, IoU with the best object of the category; 0 without any
    categories, images : (n,) int64 ids
    centres : (n, 2) float32, x and y of the middle of the box, as shares of the image's width and height
    objects : (n,) int64, row of the best object, -1 without any
    object_categories, object_images : (m,) int64 ids
    object_centres : (m, 2) float32
    all_images : (i,) int64 ids, those without predictions or objects among them
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    confidences: NDArray[np.float32]
    ious: NDArray[np.float32]
    categories: NDArray[np.int64]
    images: NDArray[np.int64]
    centres: NDArray[np.float32]
    objects: NDArray[np.int64]
    object_categories: NDArray[np.int64]
    object_images: NDArray[np.int64]
    object_centres: NDArray[np.float32]
    all_images: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def drawn(self) -> int:
        """Objects in the images."""
        return len(self.object_images)

    def of(self, rows: NDArray[np.bool_]) -> Predicted:
        """The predictions marked, on the same images."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _OF_PREDICTIONS})

    def on(self, images: NDArray[np.int64]) -> Predicted:
        """What there is on some of the images."""
        shown = np.isin(self.object_images, images)
        found = self.of(np.isin(self.images, images))
        place = np.cumsum(shown) - 1
        return replace(
            found,
            objects=np.where(found.objects >= 0, place[found.objects], -1) if len(place) else found.objects,
            **{name: getattr(self, name)[shown] for name in _OF_OBJECTS},
            all_images=self.all_images[np.isin(self.all_images, images)],
        )

    def save(self, file: Path | BinaryIO) -> None:
        """Write an .npz file."""
        np.savez_compressed(file, **{name: getattr(self, name) for name in Predicted.__slots__})

    @classmethod
    def load(cls, path: Path) -> Predicted:
        """What `save` wrote.

        Raises
        ------
        NotPredictions
            When the file is missing or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{name: stored[name] for name in cls.__slots__})
        except (OSError, ValueError, KeyError) as error:
            raise NotPredictions(
                f"{path} is no file of predictions ({error}): write one with `manage.py export_predictions`."
            ) from error


_OF_PREDICTIONS = (
    "features", "scores", "confidences", "ious", "categories", "images", "centres", "objects",
)  # fmt: skip
_OF_OBJECTS = ("object_categories", "object_images", "object_centres")


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
    digest = hashlib.sha256(repr((describe.name, Predicted.__slots__)).encode())
    for name in ("annotations.json", "predictions.json"):
        digest.update((folder / name).read_bytes())
    kept = cache / f"predicted-{digest.hexdigest()[:16]}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        whole = _computed(folder, describe, progress)
        with kept.with_suffix(".partial").open("wb") as file:
            whole.save(file)
        kept.with_suffix(".partial").replace(kept)
    whole = Predicted.load(kept)
    return whole.of(whole.confidences >= confidence)


def centres_of(boxes: NDArray[np.floating], sizes: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n, 4) boxes x, y, width, height and (n, 2) height, width of the images -> (n, 2) shares of these."""
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    return np.asarray(middles / np.maximum(sizes[:, ::-1], 1), dtype=np.float32).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class _Object:
    row: int
    image: int
    category: int
    segmentation: Any


def _computed(folder: Path, features: CropFeatures, progress: Progress) -> Predicted:
    annotated = (one for one in coco.read_annotations(folder / "annotations.json") if not one.iscrowd)
    objects = [
        _Object(row, one.image_id, one.category_id, one.segmentation) for row, one in enumerate(annotated)
    ]
    truth: dict[int, list[_Object]] = defaultdict(list)
    for one in objects:
        truth[one.image].append(one)
    results: dict[int, list[CocoResult]] = defaultdict(list)
    for result in coco.read_results(folder / "predictions.json"):
        results[int(result.image_id)].append(result)
    images = list(coco.read_images(folder / "annotations.json"))
    parts = [
        _of_image(folder, image, results[image.id], truth[image.id], features)
        for image in tracked(images, len(images), progress, "Describing masks")
    ]
    filled = [part for part, _ in parts if part]
    middles = dict(middle for _, shown in parts for middle in shown)
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in filled]) for name in filled[0]}
    return Predicted(
        **columns,
        object_categories=np.array([one.category for one in objects], dtype=np.int64),
        object_images=np.array([one.image for one in objects], dtype=np.int64),
        object_centres=np.array([middles[one.row] for one in objects], dtype=np.float32).reshape(-1, 2),
        all_images=np.array([image.id for image in images], dtype=np.int64),
    )


def _of_image(
    folder: Path, image: CocoImage, results: list[CocoResult], truth: list[_Object], features: CropFeatures
) -> tuple[dict[str, NDArray[Any]], list[tuple[int, NDArray[np.float32]]]]:
    """The columns of one image's predictions, and (row, centre) of each of its objects."""
    picture = pixels(read_upright(ImageSource.from_path(folder / "images" / image.file_name)))
    height, width = picture.shape[:2]
    outlines = [masks.from_coco(one.segmentation, height=height, width=width) for one in truth]
    middles = zip([one.row for one in truth], _centres(outlines, height, width), strict=True)
    if not results:
        return {}, list(middles)
    rles = [masks.from_coco(result.segmentation, height=height, width=width) for result in results]
    ious, objects = _judged(rles, results, outlines, truth)
    confidences = np.array([result.score for result in results], dtype=np.float32)
    columns: dict[str, NDArray[Any]] = {
        "features": features.describe(picture, rles),
        "scores": confidences * np.array([result.predicted_iou for result in results], dtype=np.float32),
        "confidences": confidences,
        "ious": ious,
        "categories": np.array([result.category_id for result in results], dtype=np.int64),
        "images": np.full(len(results), image.id, dtype=np.int64),
        "centres": _centres(rles, height, width),
        "objects": objects,
    }
    return columns, list(middles)


def _centres(rles: list[Rle], height: int, width: int) -> NDArray[np.float32]:
    return centres_of(masks.boxes(rles).reshape(-1, 4), np.tile([height, width], (len(rles), 1)))


def _judged(
    rles: list[Rle], results: list[CocoResult], outlines: list[Rle], truth: list[_Object]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(n,) IoU with the best object of the same category, and its row."""
    ious, objects = np.zeros(len(rles), dtype=np.float32), np.full(len(rles), -1, dtype=np.int64)
    categories = np.array([result.category_id for result in results])
    for category in np.unique(categories):
        mine = np.flatnonzero(categories == category)
        there = [at for at, one in enumerate(truth) if one.category == category]
        ious[mine], best = best_objects([rles[row] for row in mine], [outlines[at] for at in there])
        objects[mine] = [truth[there[at]].row if at >= 0 else -1 for at in best]
    return ious, objects
