"""Exports as background work (catalog/jobs.py): asked for, written, stopped, deleted."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from django.contrib.auth.models import User
from django.utils import timezone

from annotation_site.catalog import jobs
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts, writing
from annotation_site.results.exporting import INCLUDE
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from annotation_site.results.models import ExportFile
from pipeline.progress import Progress, silent

READ_AT_ONCE = 1 << 20  # bytes

MOST_AT_ONCE = 2
"""Exports that are written at the same time; others of their queue's workers stay free for what is due."""


class UnknownFormat(ValueError):
    """No such format, or no such choice of masks."""


def ask_for_export(
    *, project: Project, format_name: str, choice: Choice, by: User | None, at: datetime
) -> ExportFile:
    """An export that waits to be written.

    Raises
    ------
    UnknownFormat
    """
    if format_name not in FORMATS or choice.include not in INCLUDE:
        raise UnknownFormat(f"{format_name} of {choice.include} masks is nothing that can be exported.")
    return ExportFile.objects.create(
        project=project,
        format=format_name,
        include=choice.include,
        round_number=choice.round_number,
        every_image=choice.every_image,
        asked_by=by,
        asked_at=at,
    )


def write_export(
    export: ExportFile, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> ExportFile:
    """Write an export that waits, or whose process died; one that somebody is at is left alone.

    So is one whose turn has not come, while as many as may be are being written.
    """
    with Claims() as turns:
        if any(turns.take(Kind.EXPORT_TURN, turn) for turn in range(MOST_AT_ONCE)):
            jobs.carry_out(export, partial(_write, export), also=also, told=_told, clock=clock)
    return export


def stop_export(export: ExportFile, *, at: datetime) -> None:
    """Let whoever writes it end between two pieces; nothing of it is kept."""
    jobs.request_stop(export, at=at)


def retry_export(export: ExportFile) -> bool:
    """Let workers write an export anew that was stopped or failed; whether it is one."""
    return jobs.try_again(export)


def delete_export(export: ExportFile) -> bool:
    """Remove an export and its file; one that is being written is stopped, and can be deleted then."""
    return jobs.discard(export, _delete_file)


def _delete_file(export: ExportFile) -> None:
    if export.path:
        artifacts().delete(export.path)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _write(export: ExportFile, progress: Progress) -> None:
    at = export.begun_at
    assert at is not None
    format_ = FORMATS[export.format]
    choice = Choice(export.include, export.round_number, export.every_image)
    folder = f"projects/{export.project_id}/exports"
    name = f"{folder}/{export.project.slug}-{at:%Y%m%d-%H%M%S}-{export.pk}-{export.format}{format_.suffix}"
    with tempfile.TemporaryDirectory(prefix="maskgrove-export-") as scratch:
        path = Path(scratch, f"export{format_.suffix}")
        entries = format_.write(export.project, choice, path, at, progress)
        digest = hashlib.sha256()
        with path.open("rb") as made, writing(name) as kept:
            while block := made.read(READ_AT_ONCE):
                digest.update(block)
                kept.write(block)
        jobs.change(export, path=name, entries=entries, size=path.stat().st_size, sha256=digest.hexdigest())
