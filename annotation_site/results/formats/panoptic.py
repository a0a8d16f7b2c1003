"""COCO panoptic: a PNG an image in whose colours the segments' ids stand, and one JSON about them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from annotation_site.catalog.models import Image, Project
from annotation_site.results.by_image import Outlined, by_score
from annotation_site.results.formats.archives import Archive, images_of
from annotation_site.results.formats.choice import Choice
from pipeline import masks
from pipeline.progress import Progress

PNGS = "panoptic"


def write(project: Project, choice: Choice, path: Path, at: datetime, progress: Progress) -> int:
    """`panoptic.json` and `panoptic/*.png`. Where masks overlap the better score is seen; hidden masks go."""
    written = 0
    with Archive.at(path) as archive, tempfile.TemporaryDirectory(prefix="maskgrove-") as scratch:
        rows = {name: Path(scratch, name) for name in ("images", "annotations")}
        with rows["images"].open("w") as images, rows["annotations"].open("w") as annotations:
            for image, found in images_of(project, choice, progress):
                stem = archive.stem(image)
                ids, segments = _painted(image, found)
                archive.picture(f"{PNGS}/{stem}.png", Picture.fromarray(_colours(ids)))
                comma = ",\n" if images.tell() else ""
                images.write(comma + json.dumps(_image_entry(image)))
                annotations.write(comma + json.dumps(_annotation(image, stem, segments)))
                written += len(segments)
        whole = Path(scratch, "panoptic.json")
        whole.write_text("")
        _join(whole, _head(project, at), rows)
        archive.copy("panoptic.json", whole)
    return written


def _painted(image: Image, found: Sequence[Outlined]) -> tuple[NDArray[np.uint32], list[dict[str, Any]]]:
    """(height, width) uint32 segment ids, 0 where there is none, and the segments that can be seen."""
    ids = np.zeros((image.height, image.width), np.uint32)
    ranked = sorted(found, key=by_score)
    for number, mask in enumerate(ranked, start=1):
        ids[masks.decode(mask.rle)] = number
    areas = np.bincount(ids.ravel(), minlength=len(ranked) + 1)
    return ids, list(_segments(ids, ranked, areas))


def _segments(
    ids: NDArray[np.uint32], ranked: Sequence[Outlined], areas: NDArray[np.intp]
) -> Iterator[dict[str, Any]]:
    for number, mask in enumerate(ranked, start=1):
        if areas[number]:
            (box,) = masks.boxes([masks.encode(ids == number)]).tolist()
            yield {
                "id": number,
                "category_id": mask.category,
                "area": int(areas[number]),
                "bbox": box,
                "iscrowd": 0,
            }


def _colours(ids: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """id = R + 256 G + 256² B."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], axis=-1).astype(np.uint8)


def _image_entry(image: Image) -> dict[str, Any]:
    return {"id": image.pk, "file_name": image.name, "width": image.width, "height": image.height}


def _annotation(image: Image, stem: str, segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"image_id": image.pk, "file_name": f"{stem}.png", "segments_info": list(segments)}


def _head(project: Project, at: datetime) -> dict[str, Any]:
    return {
        "info": {
            "description": f"{project.name}: masks verified with Maskgrove",
            "date_created": at.isoformat(),
        },
        "categories": [
            {"id": one.coco_id, "name": one.name, "supercategory": one.supercategory, "isthing": 1}
            for one in project.categories.all()
        ],
    }


def _join(whole: Path, head: dict[str, Any], rows: dict[str, Path]) -> None:
    with whole.open("w") as out:
        out.write(json.dumps(head)[:-1])
        for name, part in rows.items():
            out.write(f',\n"{name}": [\n')
            with part.open() as lines:
                out.writelines(lines)
            out.write("]")
        out.write("}\n")
