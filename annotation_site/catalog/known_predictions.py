"""The predictions on held-out images with their truth: what `pipeline.experiments` takes as a world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.db.models import F
from numpy.typing import NDArray

from annotation_site.catalog.correctness import heldout_truth
from annotation_site.catalog.gathering import ShardIndex, gathered
from annotation_site.catalog.models import Annotation, Category, Image, Role, Round
from pipeline.experiments.predicted import Predicted, centres_of
from pipeline.progress import Progress, silent


class NothingKnown(Exception):
    """The round has no predictions whose truth is known."""


def known_predictions(round_: Round, *, progress: Progress = silent) -> Predicted:
    """A round's predictions on the held-out images, as they are clustered and calibrated with.

    Masks of which nobody can say whether they are correct, because they lie in a crowd region, are left out.
    All of it is held in memory: some two kilobytes a mask.

    Raises
    ------
    NothingKnown
        When nothing was predicted on held-out images, or these have no annotations.
    FeaturesMissing
        When the predictions lack the project's kind of features.
    """
    index = ShardIndex.of(round_, Role.HELDOUT)
    categories = [
        category
        for category in round_.project.categories.order_by("coco_id")
        if index.count(category.coco_id)
    ]
    annotations = _annotations(round_)
    if not categories or not len(annotations["ids"]):
        raise NothingKnown(
            f"Round {round_.number} of {round_.project.slug} has no predictions on annotated held-out "
            "images: import some with --role heldout and --annotations, then detect."
        )
    parts = []
    for done, category in enumerate(categories):
        progress(done, len(categories), f"Comparing {category.name} with the annotations")
        parts.append(_of_category(round_, index, category, annotations["ids"]))
    return Predicted(
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
        object_categories=annotations["categories"],
        object_images=annotations["images"],
        object_centres=centres_of(annotations["boxes"], annotations["sizes"]),
        all_images=np.fromiter(_images(round_).values_list("pk", flat=True), np.int64),
    )


def save_known_predictions(round_: Round, path: Path, *, progress: Progress = silent) -> Predicted:
    """Write `known_predictions` to a file that replaces an older one when it is whole."""
    found = known_predictions(round_, progress=progress)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        found.save(file)
    partial.replace(path)
    return found


def _images(round_: Round) -> Any:
    return Image.objects.filter(project=round_.project, role=Role.HELDOUT).order_by("pk")


def _annotations(round_: Round) -> dict[str, NDArray[Any]]:
    """Columns of the held-out objects, ascending by id; crowd regions are none."""
    stored = Annotation.objects.filter(
        image__project=round_.project, image__role=Role.HELDOUT, is_crowd=False
    ).order_by("pk")
    columns = ("pk", "category__coco_id", "image_id", "x", "y", "width", "height")
    rows = np.array(
        list(stored.values_list(*columns, F("image__height"), F("image__width")).iterator()), np.float64
    ).reshape(-1, len(columns) + 2)
    return {
        "ids": rows[:, 0].astype(np.int64),
        "categories": rows[:, 1].astype(np.int64),
        "images": rows[:, 2].astype(np.int64),
        "boxes": rows[:, 3:7],
        "sizes": rows[:, 7:].astype(np.int64),
    }


def _of_category(
    round_: Round, index: ShardIndex, category: Category, annotations: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """The columns of one category's predictions; `annotations` are the objects' ids, ascending."""
    with gathered(index, category.coco_id, feature=round_.project.feature) as rows:
        truth = heldout_truth(rows, category, k_iou=round_.project.k_iou)
        kept = np.flatnonzero(~truth.unknown)
        objects = truth.objects[kept]
        return {
            "features": np.asarray(rows.features[kept], np.float32),
            "scores": rows.scores[kept],
            "confidences": rows.class_scores[kept],
            "ious": truth.ious[kept].astype(np.float32),
            "categories": np.full(len(kept), category.coco_id, np.int64),
            "images": rows.images[kept],
            "centres": centres_of(rows.boxes[kept], rows.sizes[kept]),
            "objects": np.where(objects > 0, np.searchsorted(annotations, objects), -1),
        }
