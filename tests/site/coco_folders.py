"""Folders of images with COCO files, made for tests of importing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SQUARE = [[2.0, 2.0, 10.0, 2.0, 10.0, 8.0, 2.0, 8.0]]


def noise(seed: int, width: int = 32, height: int = 24) -> Image.Image:
    """A picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@dataclass
class CocoFolder:
    """A folder to fill with pictures, and the COCO file that lists them."""

    folder: Path
    categories: list[dict[str, Any]] = field(default_factory=lambda: [{"id": 1, "name": "car"}])
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def picture(
        self, name: str, *, seed: int | None = None, size: tuple[int, int] = (32, 24), **save: Any
    ) -> Path:
        """Save a picture of noise under `name`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(len(self.images) + 1000 if seed is None else seed, *size).save(path, **save)
        return path

    def add(self, name: str, *segmentations: Any, picture: bool = True, **entry: Any) -> int:
        """A picture, its entry, and an annotation of category 1 for each segmentation; the entry's id."""
        if picture:
            self.picture(name)
        id_ = len(self.images) + 1
        self.images.append({"id": id_, "file_name": name, "width": 32, "height": 24, **entry})
        for segmentation in segmentations:
            self.annotate(self.images[-1]["id"], segmentation)
        return self.images[-1]["id"]

    def annotate(self, image: int, segmentation: Any = None, **entry: Any) -> None:
        """An annotation, by default a square of category 1."""
        values = {
            "id": len(self.annotations) + 1,
            "image_id": image,
            "category_id": 1,
            "segmentation": SQUARE if segmentation is None else segmentation,
        }
        self.annotations.append({**values, **entry})

    @property
    def file(self) -> Path:
        """The COCO file, written as things stand."""
        path = self.folder / "instances.json"
        sections = {"images": self.images, "annotations": self.annotations, "categories": self.categories}
        path.write_text(json.dumps(sections))
        return path
