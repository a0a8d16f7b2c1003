"""COCO instances; see `results.exporting`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from annotation_site.catalog.models import Project
from annotation_site.results.exporting import export_coco
from annotation_site.results.formats.choice import Choice
from pipeline.progress import Progress


def _write(
    project: Project, choice: Choice, path: Path, at: datetime, progress: Progress, *, segmentation: str
) -> int:
    exported = export_coco(
        project=project,
        path=path,
        at=at,
        include=choice.include,
        segmentation=segmentation,
        round_number=choice.round_number,
        every_image=choice.every_image,
        progress=progress,
    )
    return exported.annotations


write = partial(_write, segmentation="rle")
write_polygons = partial(_write, segmentation="polygon")
