"""Imports as background work: asked for, carried out by one process at a time, stopped, gone on with."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.import_report import ImportReport
from annotation_site.catalog.importing import ImportBusy, import_from
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.originals import MAX_PIXELS
from annotation_site.catalog.places import Place
from annotation_site.catalog.problem_log import problem_log
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted, explain
from annotation_site.catalog.steps import RowSteps
from annotation_site.catalog.storage import artifacts, delete_artifacts, writing
from annotation_site.preparing import uploads
from annotation_site.preparing.allowed import allowed_place
from annotation_site.preparing.models import ImportRun, State
from annotation_site.preparing.uploaded_place import uploaded_place
from annotation_site.preparing.uploads import Announced
from pipeline.progress import Progress, StopRequested, silent

TEMPORARY = re.compile(r"[^\s\"']*/maskgrove-[^/\s]+/")
log = logging.getLogger(__name__)


class CannotStart(ValueError):
    """An import that would have to fail; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How images are to be imported.

    Attributes
    ----------
    annotations : name of the COCO file in the place; of an upload, empty takes the only JSON that there is
    strict : import nothing if there is any problem
    in_place : leave a folder's files where they are
    """

    roles: RoleShares
    annotations: str = ""
    strict: bool = False
    in_place: bool = False
    max_pixels: int = MAX_PIXELS


class AnnotatedPlace(Place, Protocol):
    """A place that may have a COCO file beside the images."""

    def annotations(self, named: str) -> AbstractContextManager[Path | None]:
        """The COCO file on this machine."""


def ask_for_import(*, project: Project, place: str, wish: Wish, by: User | None, at: datetime) -> ImportRun:
    """An import of a folder of the server or a bucket, which waits for a worker.

    Raises
    ------
    PlaceRefused, BucketUnavailable, CannotStart
    """
    allowed_place(place)
    if not wish.annotations:
        _check_pool_only(wish)
    run = _row(project, ImportRun.Source.PLACE, place.strip(), wish, by, at)
    run.save()
    return run


def begin_upload(
    *, project: Project, files: Sequence[Announced], wish: Wish, by: User | None, at: datetime
) -> ImportRun:
    """An import that waits for its files; the same list of files again goes on with the one that it began.

    Raises
    ------
    UploadRefused, CannotStart
    """
    if not any(file.name.lower().endswith((".json", ".zip")) for file in files):
        _check_pool_only(wish)
    place = uploads.digest(files)
    begun = ImportRun.objects.filter(project=project, place=place, state=State.UPLOADING, asked_by=by).first()
    if begun is None:
        uploads.check(project, files)
    run = _row(project, ImportRun.Source.UPLOAD, place, wish, by, at)
    if begun is None:
        return uploads.announce(run, files)
    run.pk, run.state = begun.pk, State.UPLOADING
    run.save()
    return run


def _check_pool_only(wish: Wish) -> None:
    needing = [role for role in wish.roles.roles if role is not Role.POOL]
    if needing:
        raise CannotStart(f"{' and '.join(needing)} images need annotations: give their COCO file too.")


def _row(
    project: Project, source: ImportRun.Source, place: str, wish: Wish, by: User | None, at: datetime
) -> ImportRun:
    return ImportRun(
        project=project,
        source=source,
        place=place,
        annotations=wish.annotations.strip(),
        shares={role.value: share for role, share in wish.roles.shares.items() if share},
        seed=wish.roles.seed,
        strict=wish.strict,
        in_place=wish.in_place and source == ImportRun.Source.PLACE and "://" not in place,
        max_pixels=wish.max_pixels,
        asked_by=by,
        asked_at=at,
    )


def roles_of(run: ImportRun) -> RoleShares:
    """How an import divides its images."""
    return RoleShares(dict(run.divided), run.seed)


def run_import(
    run: ImportRun, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> ImportRun:
    """Carry out an import that waits, or whose process died; one that somebody is at is left alone."""
    with Claims() as claims:
        if claims.take(Kind.INTAKE, run.pk):
            run.refresh_from_db()
            if run.state == State.RUNNING:
                _note_death(run, clock())
            if run.state in (State.WAITING, State.RUNNING):
                _carry_out(run, claims, also, clock)
    return run


def stop_import(run: ImportRun) -> None:
    """Let whoever is at it end after the batch at hand; what is imported stays."""
    ImportRun.objects.filter(pk=run.pk, state=State.RUNNING).update(stop_requested=True)
    ImportRun.objects.filter(pk=run.pk, state=State.WAITING).update(state=State.STOPPED)


def go_on(run: ImportRun) -> bool:
    """Let workers try an import again that was stopped or failed; whether it is one."""
    ended = ImportRun.objects.filter(pk=run.pk, state__in=[State.STOPPED, State.FAILED])
    return bool(ended.update(state=State.WAITING, error="", message="", deaths=0, stop_requested=False))


def discard(run: ImportRun) -> None:
    """Forget an import that is over, with what was uploaded for it; the images that it brought stay."""
    stop_import(run)
    if ImportRun.objects.filter(pk=run.pk).exclude(state__in=[State.RUNNING, State.WAITING]).exists():
        uploads.forget_files(run)
        delete_artifacts(uploads.folder_of(run))
        run.delete()


def waiting_imports() -> QuerySet[ImportRun]:
    """Those that nobody is at: also what a worker that died left behind."""
    wanted = ImportRun.objects.filter(state__in=[State.WAITING, State.RUNNING]).order_by("pk")
    return wanted.exclude(pk__in=claimed(Kind.INTAKE, wanted.values_list("pk", flat=True)))


def problems_name(run: ImportRun) -> str:
    """The artifact that has every problem of an import, a JSON object a line."""
    return f"{uploads.folder_of(run)}/problems.jsonl"


def _note_death(run: ImportRun, at: datetime) -> None:
    """Whoever was at it is gone; an import that ends its processes again and again is given up."""
    _change(run, deaths=run.deaths + 1)
    if run.deaths >= MOST_DEATHS:
        told = (
            f"Its process died {MOST_DEATHS} times. Most often the machine has too little memory: allow only "
            "smaller images. What is imported stays."
        )
        _change(run, state=State.FAILED, error=told, finished_at=at)


def _carry_out(run: ImportRun, claims: Claims, also: Progress, clock: Callable[[], datetime]) -> None:
    begun = {"begun_at": clock(), "finished_at": None, "stop_requested": False}
    _change(run, state=State.RUNNING, error="", message="", done=0, total=0, report={}, **begun)
    try:
        _import(run, RowSteps(run, claims, tells=True, also=also))
    except (Interrupted, ImportBusy) as later:
        _change(run, state=State.WAITING, message=str(later)[:300])
    except StopRequested:
        _change(run, state=State.STOPPED, message="", finished_at=clock())
    except Exception as error:  # whatever it is, people must see it
        log.warning("%s failed.", run, exc_info=True)
        told = without_folders(explain(error))
        _change(run, state=State.FAILED, error=told, message="", finished_at=clock())
    else:
        _change(run, state=State.DONE, message="", finished_at=clock())
        uploads.forget_files(run)


def _import(run: ImportRun, steps: Progress) -> None:
    with _place(run) as place, place.annotations(run.annotations) as annotations, _reported(run) as report:
        import_from(
            place,
            project=run.project,
            roles=roles_of(run),
            annotations=annotations,
            strict=run.strict,
            in_place=run.in_place,
            max_pixels=run.max_pixels,
            progress=steps,
            report=report,
        )


@contextmanager
def _place(run: ImportRun) -> Iterator[AnnotatedPlace]:
    if run.source == ImportRun.Source.UPLOAD:
        with uploaded_place(run) as place:
            yield place
    else:
        yield allowed_place(run.place)


@contextmanager
def _reported(run: ImportRun) -> Iterator[ImportReport]:
    """A report that is kept however the import ends, with all its problems in an artifact."""
    with tempfile.TemporaryDirectory(prefix="maskgrove-import-") as folder:
        path = Path(folder, "problems.jsonl")
        report = ImportReport()
        try:
            with problem_log(path) as report.listener:
                yield report
        finally:
            _change(run, report=json.loads(without_folders(json.dumps(report.as_json()))))
            _keep_problems(run, path)


def _keep_problems(run: ImportRun, path: Path) -> None:
    if path.stat().st_size:
        with path.open("rb") as found, writing(problems_name(run)) as kept:
            shutil.copyfileobj(found, kept)
    elif artifacts().exists(problems_name(run)):
        artifacts().delete(problems_name(run))


def without_folders(text: str) -> str:
    """A message that names files as people know them, without the temporary folder that they were read in."""
    return TEMPORARY.sub("", text)


def _change(run: ImportRun, **values: object) -> None:
    """Write values, and none that others write meanwhile."""
    ImportRun.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()
