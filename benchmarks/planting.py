"""Masks a second into the database, and bytes a mask in it, with its tree and indexes.

    python benchmarks/planting.py --masks 100000 --json planting.json

A tree of random rectangles is stored by `plant_tree`, one COPY in one transaction, in a Postgres of its own
that writes to the disk as a real one does. The rival is the same COPY without anything else: text rows of the
same bytes into a table without indexes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TABLES = ["catalog_mask", "catalog_tree"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="maskgrove-planting-") as var:
        os.environ["MASKGROVE_VAR"] = var
        os.environ["DATABASE_URL"] = ""
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
        import django

        django.setup()
        from annotation_site import embedded

        try:
            found = measure(asked.masks)
        finally:
            embedded.release(Path(var))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


def measure(n: int) -> dict[str, float]:
    """Store a tree of n masks and the same rows bare; print both, and return them."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    took, rows = plant(n)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size(t)) FROM unnest(%s::text[]) t", [TABLES])
        size = cursor.fetchone()[0]
        cursor.execute("CREATE UNLOGGED TABLE bare (image bigint, counts bytea, score float8)")
        begun = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        bare = time.perf_counter() - begun
    print(f"{n:,} masks   {n / took:>10,.0f} a second   {size / n:>6.0f} bytes a mask")
    print(f"bare COPY     {n / bare:>10,.0f} a second   ratio {took / bare:.1f}")
    return {"masks": n, "seconds": took, "bytes_a_mask": float(size) / n, "bare_seconds": bare}


def plant(n: int) -> tuple[float, list[tuple[Any, ...]]]:
    """Seconds that `plant_tree` took, and the rows of it that a bare table holds."""
    import numpy as np

    from annotation_site.catalog.gathering import CategoryRows
    from annotation_site.catalog.models import Category, Image, Project, Role
    from annotation_site.catalog.planting import plant_tree
    from pipeline.dendrogram import Dendrogram

    rng = np.random.default_rng(0)
    project = Project.objects.create(slug="planting", name="Planting")
    category = Category.objects.create(project=project, coco_id=1, name="thing")
    images = Image.objects.bulk_create(
        Image(project=project, role=Role.POOL, name=f"{i}", path=f"{i}", digest=f"{i}", width=640, height=480)
        for i in range(max(1, n // 10))
    )
    keys = np.array([image.pk for image in images])
    length = 180  # bytes: the median run-length code of a mask of the COCO photos
    scores = rng.random(n).astype(np.float32)
    found = CategoryRows(
        images=rng.choice(keys, n),
        boxes=rng.random((n, 4)).astype(np.float32),
        sizes=np.tile(np.array([480, 640], np.int32), (n, 1)),
        class_scores=scores,
        predicted_ious=scores,
        features=np.zeros((n, 1), np.float16),
        counts=rng.integers(48, 111, n * length).astype(np.uint8),
        count_starts=np.arange(n + 1, dtype=np.int64) * length,
    )
    steps = np.arange(n - 1)
    merges = np.column_stack([2 * steps, 2 * steps + 1, steps / n, np.zeros(n - 1)])
    tree = Dendrogram.from_linkage(merges, found.scores)
    begun = time.perf_counter()
    plant_tree(
        project.rounds.create(number=1),
        category,
        Role.POOL,
        dendrogram=tree,
        rows=found,
        linkage="complete",
        seed=1,
    )
    took = time.perf_counter() - begun
    packed = found.counts_of(np.arange(n))
    return took, list(zip(found.images.tolist(), packed, scores.tolist(), strict=True))


if __name__ == "__main__":
    main()
