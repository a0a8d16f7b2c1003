"""One row a mask, with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from annotation_site.catalog.models import Project
from annotation_site.results.exporting import OWN, SEGMENTATIONS, Export
from annotation_site.results.formats.choice import Choice
from annotation_site.results.outcomes import one_moment
from annotation_site.results.rows import ImageTable, ReplacedMasks
from pipeline.batches import in_batches
from pipeline.coco import replacing_bytes
from pipeline.progress import Progress

ROWS_AT_ONCE = 50_000
"""Rows of a row group."""


class ParquetMissing(Exception):
    """The library that writes Parquet is not installed."""


def write(project: Project, choice: Choice, path: Path, _at: datetime, progress: Progress) -> int:
    """Columns as in `SCHEMA`; run lengths are COCO's compressed ones.

    Raises
    ------
    ParquetMissing
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as missing:
        raise ParquetMissing("Parquet needs pyarrow: pip install 'maskgrove[parquet]'.") from missing
    schema = arrow.schema(
        [
            ("mask", arrow.int64()), ("image", arrow.int64()), ("image_id", arrow.int64()),
            ("category_id", arrow.int64()), ("category", arrow.string()), ("height", arrow.int32()),
            ("width", arrow.int32()), ("counts", arrow.string()), ("bbox", arrow.list_(arrow.float32(), 4)),
            ("area", arrow.int64()), ("score", arrow.float32()), ("class_score", arrow.float32()),
            ("predicted_iou", arrow.float32()), ("round", arrow.int32()), ("tree", arrow.int64()),
            ("position", arrow.int64()), ("decision", arrow.string()), ("cluster", arrow.int64()),
            ("cluster_size", arrow.int64()), ("yes", arrow.int32()), ("no", arrow.int32()),
            ("rule", arrow.string()), ("decided_at", arrow.string()), ("answer", arrow.string()),
        ]
    )  # fmt: skip
    with one_moment():
        export = Export(
            project=project,
            fates=choice.fates,
            segmentation=SEGMENTATIONS["rle"],
            outcomes=choice.outcomes(project),
            images=ImageTable.of(project),
            progress=progress,
            replaces=ReplacedMasks.of(project),
        )
        rows = _rows(export, dict(project.categories.values_list("coco_id", "name")))
        with replacing_bytes(path) as file, parquet.ParquetWriter(file, schema) as out:
            for some in in_batches(rows, ROWS_AT_ONCE):
                out.write_table(arrow.Table.from_pylist(some, schema))
    return export.written


def _rows(export: Export, names: dict[int, str]) -> Iterator[dict[str, Any]]:
    keys = dict(zip(export.images.coco_ids.tolist(), export.images.keys.tolist(), strict=True))
    for entry in export.annotations():
        own, segmentation = entry[OWN], entry["segmentation"]
        cluster, evidence, answer = (own[part] or {} for part in ("cluster", "evidence", "answer"))
        yield {
            "mask": entry["id"],
            "image": keys[entry["image_id"]],
            "image_id": entry["image_id"],
            "category_id": entry["category_id"],
            "category": names[entry["category_id"]],
            "height": segmentation["size"][0],
            "width": segmentation["size"][1],
            "counts": segmentation["counts"],
            "bbox": np.asarray(entry["bbox"], np.float32).tolist(),
            "area": entry["area"],
            "score": entry["score"],
            "class_score": own["class_score"],
            "predicted_iou": own["predicted_iou"],
            "round": own["round"],
            "tree": own["tree"],
            "position": own["position"],
            "decision": own["decision"],
            "cluster": cluster.get("id"),
            "cluster_size": cluster.get("size"),
            "yes": evidence.get("yes"),
            "no": evidence.get("no"),
            "rule": evidence.get("rule"),
            "decided_at": evidence.get("at"),
            "answer": answer.get("says"),
        }
