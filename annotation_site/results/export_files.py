"""Exports as background work: asked for, written by one process at a time, stopped, tried again, deleted."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.models import Project
from annotation_site.catalog.steps import RowSteps
from annotation_site.catalog.storage import artifacts, writing
from annotation_site.results.exporting import INCLUDE
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from annotation_site.results.models import ExportFile
from pipeline.progress import Progress, StopRequested

State = ExportFile.State
READ_AT_ONCE = 1 << 20  # bytes

log = logging.getLogger(__name__)


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


def write_export(export: ExportFile, *, clock: Callable[[], datetime] = timezone.now) -> ExportFile:
    """Write an export that waits, or whose process died; one that somebody is at is left alone."""
    with Claims() as claims:
        if claims.take(Kind.EXPORT, export.pk):
            export.refresh_from_db()
            if export.state in (State.WAITING, State.RUNNING):
                _write(export, claims, clock)
    return export


def stop_export(export: ExportFile) -> None:
    """Let whoever writes it end between two pieces; nothing of it is kept."""
    ExportFile.objects.filter(pk=export.pk, state=State.RUNNING).update(stop_requested=True)
    ExportFile.objects.filter(pk=export.pk, state=State.WAITING).update(state=State.STOPPED)


def delete_export(export: ExportFile) -> None:
    """Remove an export and its file; one that is being written is stopped first and can be deleted then."""
    stop_export(export)
    if ExportFile.objects.filter(pk=export.pk).exclude(state=State.RUNNING).delete()[0] and export.path:
        artifacts().delete(export.path)


def waiting_exports() -> QuerySet[ExportFile]:
    """Those that nobody is at: also what a worker that died left behind."""
    wanted = ExportFile.objects.filter(state__in=[State.WAITING, State.RUNNING]).order_by("pk")
    return wanted.exclude(pk__in=claimed(Kind.EXPORT, wanted.values_list("pk", flat=True)))


def _write(export: ExportFile, claims: Claims, clock: Callable[[], datetime]) -> None:
    begun_at = clock()
    _change(export, state=State.RUNNING, begun_at=begun_at, stop_requested=False, error="", done=0)
    try:
        _make(export, begun_at, RowSteps(export, claims))
    except StopRequested:
        _change(export, state=State.STOPPED, finished_at=clock())
    except Exception as error:  # whatever it is, people must see it
        log.exception("%s failed.", export)
        _change(export, state=State.FAILED, error=f"{error}", finished_at=clock())
    else:
        _change(export, state=State.DONE, finished_at=clock())


def _make(export: ExportFile, at: datetime, progress: Progress) -> None:
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
        _change(export, path=name, entries=entries, size=path.stat().st_size, sha256=digest.hexdigest())


def _change(export: ExportFile, **values: object) -> None:
    for name, value in values.items():
        setattr(export, name, value)
    export.save(update_fields=list(values))
