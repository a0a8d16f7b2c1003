"""Accepted masks to a file: masks a second and the peak of memory, each format in a process of its own.

Seeds a database of its own with accepted masks of real outlines' size. The rival reads the same masks as
model instances and writes one document with json.dump, as a script beside the site would.

    python benchmarks/exports.py --masks 1000000 --json exports.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import peak_mib

RIVAL = "rows as instances, json.dump"
LEAVES = 100_000
"""Of a tree."""
PER_IMAGE = 10


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", default=["coco", "parquet"], help="names of formats")
    parser.add_argument("--var", type=Path, help="where the database is kept (default: a new one each time)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser.parse_args()


def outline(rng: np.random.Generator, size: tuple[int, int] = (480, 640)) -> bytes:
    """The run lengths of an ellipse as large as the objects of photos are."""
    from pipeline import masks

    centre, radii = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(20, 70, 2)
    y, x = np.ogrid[: size[0], : size[1]]
    return masks.encode(((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1)["counts"]


def seed(masks: int) -> None:
    """A project all of whose masks lie in accepted clusters."""
    from django.utils import timezone

    from annotation_site.catalog.models import Category, Image, Project, Role
    from annotation_site.verification.models import Cluster, Decision

    rng = np.random.default_rng(0)
    counts = [outline(rng) for _ in range(200)]
    project = Project.objects.create(name="Exports", slug="exports")
    round_ = project.rounds.create(number=1)
    images = [
        Image(project=project, role=Role.POOL, name=f"{n}.jpg", path="", digest=f"{n}", width=640, height=480)
        for n in range(masks // PER_IMAGE)
    ]
    keys = [image.pk for image in Image.objects.bulk_create(images, batch_size=5000)]
    for number, lo in enumerate(range(0, masks, LEAVES), start=1):
        n = min(LEAVES, masks - lo)
        category = Category.objects.create(project=project, coco_id=number, name=f"thing {number}")
        tree = round_.trees.create(
            category=category, role=Role.POOL, n=n, linkage="complete", seed=1, packed=b""
        )
        plant(tree.pk, n, keys, counts, rng)
        cluster = Cluster.objects.create(
            tree=tree, node=0, lo=0, hi=n, mean_score=0.9, priority=0.9, sample_size=15, is_open=False,
            opened_at=timezone.now(),
        )  # fmt: skip
        Decision.objects.create(
            cluster=cluster, tree=tree, interval=(0, n), verdict="accept", yes=15, no=0, sample=15,
            rule="curtailed", at=timezone.now(),
        )  # fmt: skip


def plant(tree: int, n: int, keys: list[int], counts: list[bytes], rng: np.random.Generator) -> None:
    """The masks of a tree, by COPY."""
    from django.db import connection

    places = rng.integers(0, len(keys), n).tolist()
    columns = "tree_id, position, image_id, x, y, width, height, counts, class_score, predicted_iou, score"
    with connection.cursor() as cursor, cursor.copy(f"COPY catalog_mask ({columns}) FROM STDIN") as copy:
        for position, place in enumerate(places):
            copy.write_row(
                (tree, position, keys[place], 10.0, 10.0, 90.0, 90.0, counts[position % 200], 0.9, 0.9, 0.81)
            )


def carry_out(task: str) -> dict[str, float]:
    """Write one file; its seconds, entries, bytes, and the process's peak of memory in MiB."""
    from django.utils import timezone

    from annotation_site.catalog.models import Project
    from annotation_site.results.formats import FORMATS
    from annotation_site.results.formats.choice import Choice
    from pipeline.progress import silent

    project = Project.objects.get(slug="exports")
    with tempfile.TemporaryDirectory() as folder:
        path, began, cpu = Path(folder, "out"), time.perf_counter(), time.process_time()
        if task == RIVAL:
            written = as_instances(project, path)
        else:
            written = FORMATS[task].write(project, Choice(), path, timezone.now(), silent)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        size = path.stat().st_size
    return {
        "masks": written,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "bytes": size,
        "peak_mib": peak_mib(),
    }


def as_instances(project, path: Path) -> int:
    """The rival."""
    from annotation_site.catalog.models import Mask

    found = Mask.objects.filter(tree__round__project=project).select_related("tree__category", "image")
    annotations = [
        {
            "id": mask.pk, "image_id": mask.image_id, "category_id": mask.tree.category.coco_id, "iscrowd": 0,
            "segmentation": {"size": mask.rle["size"], "counts": mask.rle["counts"].decode()},
            "bbox": list(mask.box), "score": mask.score,
        }
        for mask in found.defer("tree__packed").iterator(2000)
    ]  # fmt: skip
    with path.open("w") as file:
        json.dump({"annotations": annotations}, file)
    return len(annotations)


def measured(task: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--task", task]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    chosen = arguments()
    var = chosen.var or Path(tempfile.mkdtemp(prefix="maskgrove-exports-"))
    os.environ.setdefault("MASKGROVE_VAR", str(var))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
    if not chosen.var:
        os.environ.setdefault("MASKGROVE_THROWAWAY", "1")
    import django

    django.setup()
    if chosen.task:
        print(json.dumps(carry_out(chosen.task)))
        return
    from django.core.management import call_command

    from annotation_site.catalog.models import Project

    call_command("migrate", verbosity=0)
    if not Project.objects.filter(slug="exports").exists():
        seed(chosen.masks)
    rows = {task: measured(task, dict(os.environ)) for task in [*chosen.formats, RIVAL]}
    print(f"{'':30}{'masks/s':>10}{'CPU s':>8}{'MiB':>8}{'MB':>8}{'faster':>8}{'memory':>8}")
    rival = rows[RIVAL]
    for task, row in rows.items():
        speed = row["masks"] / row["seconds"]
        print(
            f"{task:30}{speed:10,.0f}{row['cpu_seconds']:8.1f}{row['peak_mib']:8.0f}{row['bytes'] / 1e6:8.0f}"
            f"{speed / (rival['masks'] / rival['seconds']):8.2f}{rival['peak_mib'] / row['peak_mib']:8.1f}"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
