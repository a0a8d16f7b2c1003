"""YOLO's segmentation labels: a line an object, its class and one polygon in shares of the image's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from annotation_site.catalog.models import Image, Project
from annotation_site.results.by_image import Outlined
from annotation_site.results.formats.archives import Archive, images_of
from annotation_site.results.formats.choice import Choice
from pipeline import masks
from pipeline.progress import Progress


def write(project: Project, choice: Choice, path: Path, _at: datetime, progress: Progress) -> int:
    """`labels/*.txt`, `images.txt` with the names that they belong to, and `data.yaml`."""
    categories = list(project.categories.all())
    classes = {category.coco_id: number for number, category in enumerate(categories)}
    written, names = 0, []
    with Archive.at(path) as archive:
        for image, found in images_of(project, choice, progress):
            lines = list(_lines(image, found, classes))
            archive.text(f"labels/{archive.stem(image)}.txt", "".join(lines))
            names.append(image.name)
            written += len(lines)
        archive.text("images.txt", "".join(f"{name}\n" for name in names))
        archive.text("data.yaml", _description([category.name for category in categories]))
    return written


def _lines(image: Image, found: Sequence[Outlined], classes: Mapping[int, int]) -> Iterator[str]:
    for mask in found:
        corners = np.array(masks.one_polygon(mask.rle)).reshape(-1, 2) / [image.width, image.height]
        if len(corners):
            yield f"{classes[mask.category]} {' '.join(f'{share:.6g}' for share in corners.ravel())}\n"


def _description(names: Sequence[str]) -> str:
    listed = "".join(f"  {number}: {_quoted(name)}\n" for number, name in enumerate(names))
    return f"path: .\ntrain: images\nval: images\nnames:\n{listed}"


def _quoted(name: str) -> str:
    """YAML's single quotes hold anything."""
    return "'" + name.replace("'", "''") + "'"
