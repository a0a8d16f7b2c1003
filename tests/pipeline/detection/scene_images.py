"""Reading small COCO files into annotated images, for tests."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import masks
from pipeline.detection import AnnotatedImage
from pipeline.pictures import ImageSource
from pipeline.scenes import SceneSet


def annotated(scenes: SceneSet) -> list[AnnotatedImage]:
    return annotated_from(scenes.annotations, scenes.images)


def annotated_from(path: Path, folder: Path, *, limit: int | None = None) -> list[AnnotatedImage]:
    """The first `limit` images of a COCO file with their annotations."""
    content = json.loads(path.read_text())
    of_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    return [_annotated(image, of_image[image["id"]], folder) for image in content["images"][:limit]]


def _annotated(image: dict[str, Any], found: list[dict[str, Any]], folder: Path) -> AnnotatedImage:
    size = {"height": image["height"], "width": image["width"]}
    return AnnotatedImage(
        source=ImageSource.from_path(folder / image["file_name"]),
        **size,
        categories=np.array([annotation["category_id"] for annotation in found], dtype=np.int32),
        masks=[masks.from_coco(annotation["segmentation"], **size) for annotation in found],
        crowd=np.array([bool(annotation.get("iscrowd")) for annotation in found], dtype=bool),
    )
