"""Generated scenes as a folder: images and one COCO file per role."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.children import pool
from pipeline.progress import Progress, silent, tracked
from pipeline.scenes.compose import Mask, Scene, SceneOptions, generate
from pipeline.scenes.shapes import SPECIES

COUNTS: Mapping[str, int] = {"initial": 150, "heldout": 80, "pool": 360}
"""Images of each role in a folder of scenes, unless told otherwise."""

VERSION = 1
"""Raised when the same seed paints other scenes than before, so that old folders are not reused."""


@dataclass(frozen=True, slots=True)
class SceneSet:
    """The images of one role: `annotations` is the COCO file, `images` the folder of its file names."""

    role: str
    images: Path
    annotations: Path
    count: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One image to paint: everything a process needs to know."""

    path: Path
    seed: tuple[int, int, int]
    options: SceneOptions
    quality: int


def write_scenes(
    folder: Path,
    *,
    seed: int,
    counts: Mapping[str, int] = COUNTS,
    options: SceneOptions | None = None,
    quality: int = 92,
    processes: int = 1,
    progress: Progress = silent,
) -> dict[str, SceneSet]:
    """Paint scenes into `folder/<role>/images` with their ground truth in `folder/<role>/annotations.json`.

    The pool's ground truth is for evaluation only: the simulated crowd sees it, the model does not.
    A role that is already there, complete and painted with the same numbers, is left alone.

    Parameters
    ----------
    counts : images of each role; image ids, annotation ids and file names are unique across roles
    quality : of the JPEG files, in [1, 95]
    processes : how many images are painted at a time
    """
    chosen = options or SceneOptions()
    sets: dict[str, SceneSet] = {}
    first_image, total = 1, sum(counts.values())
    for index, (role, number) in enumerate(counts.items()):
        scenes = SceneSet(role, folder / role / "images", folder / role / "annotations.json", number)
        recipe = {
            "version": VERSION,
            "seed": seed,
            "role": index,
            "quality": quality,
            "options": asdict(chosen),
        }
        jobs = [
            _Job(scenes.images / f"{role}-{n:06d}.jpg", (seed, index, n), chosen, quality)
            for n in range(number)
        ]
        if not _is_painted(scenes, recipe):
            scenes.images.mkdir(parents=True, exist_ok=True)
            painted = tracked(
                _painted(jobs, processes), number, _shifted(progress, first_image - 1, total), "Scenes"
            )
            _write_annotations(scenes, recipe, chosen, painted, first_image=first_image)
        sets[role] = scenes
        first_image += number
    progress(total, total, "Scenes")
    return sets


def _shifted(progress: Progress, before: int, everything: int) -> Progress:
    """A progress over all roles, told about one of them."""

    def report(done: int, total: int, message: str = "") -> None:
        progress(before + min(done, total), everything, message)

    return report


def _is_painted(scenes: SceneSet, recipe: dict[str, Any]) -> bool:
    """Whether the role's file was written, which happens last, by the same recipe."""
    if not scenes.annotations.is_file():
        return False
    written = json.loads(scenes.annotations.read_text())
    same = written.get("info", {}).get("recipe") == json.loads(json.dumps(recipe))
    return same and len(written["images"]) == scenes.count


def _painted(jobs: list[_Job], processes: int) -> Iterator[tuple[_Job, list[dict[str, Any]]]]:
    """Paint in order, with other processes where more than one is allowed."""
    if processes <= 1:
        yield from ((job, _paint(job)) for job in jobs)
        return
    with pool(processes) as others:
        yield from zip(jobs, others.map(_paint, jobs, chunksize=8), strict=True)


def _paint(job: _Job) -> list[dict[str, Any]]:
    """Paint and store one scene; its annotations, still without ids."""
    scene = generate(job.options, np.random.default_rng(job.seed))
    temporary = job.path.with_name(job.path.name + ".part")
    Image.fromarray(scene.image).save(temporary, format="JPEG", quality=job.quality, subsampling=0)
    temporary.replace(job.path)
    return list(_annotations(scene))


def _annotations(scene: Scene) -> Iterator[dict[str, Any]]:
    for category_id, mask, visible in zip(scene.category_ids, scene.masks, scene.visible, strict=True):
        rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        yield {
            "category_id": category_id,
            "segmentation": {"size": list(mask.shape), "counts": rle["counts"].decode("ascii")},
            "bbox": _box(mask),
            "area": int(mask.sum()),
            "iscrowd": 0,
            "visible": round(visible, 3),
        }


def _box(mask: Mask) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, y0 = int(columns[0]), int(rows[0])
    return [x0, y0, int(columns[-1]) + 1 - x0, int(rows[-1]) + 1 - y0]


def _write_annotations(
    scenes: SceneSet,
    recipe: dict[str, Any],
    options: SceneOptions,
    painted: Iterable[tuple[_Job, list[dict[str, Any]]]],
    *,
    first_image: int,
) -> None:
    """Write the role's COCO file once all its images are there."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (job, found) in zip(count(first_image), painted):
        size = {"height": options.height, "width": options.width}
        images.append({"id": image_id, "file_name": job.path.name, **size})
        ids = count(image_id * 1000)  # unique across roles without knowing how many objects came before
        annotations += [{"id": next(ids), "image_id": image_id, **annotation} for annotation in found]
    categories = [
        {"id": k, "name": name, "supercategory": "forest floor", "description": SPECIES[name].description}
        for k, name in enumerate(options.categories, start=1)
    ]
    info = {"description": "Generated scenes with exact ground truth", "recipe": recipe}
    content = {
        "info": info,
        "licenses": [],
        "categories": categories,
        "images": images,
        "annotations": annotations,
    }
    temporary = scenes.annotations.with_suffix(".json.part")
    temporary.write_text(json.dumps(content))
    temporary.replace(scenes.annotations)
