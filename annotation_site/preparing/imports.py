"""Imports as background work (catalog/jobs.py): asked for, carried out, stopped, gone on with."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from annotation_site.catalog import jobs
from annotation_site.catalog.import_report import ImportReport
from annotation_site.catalog.importing import ImportBusy, import_from
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.originals import MAX_PIXELS
from annotation_site.catalog.places import Place
from annotation_site.catalog.problem_log import problem_log
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.stages import Interrupted, explain
from annotation_site.catalog.storage import artifacts, writing
from annotation_site.preparing import uploads
from annotation_site.preparing.allowed import allowed_place
from annotation_site.preparing.models import UPLOADING, ImportRun
from annotation_site.preparing.uploaded_place import uploaded_place
from annotation_site.preparing.uploads import Announced
from pipeline.progress import Progress, silent

TEMPORARY = re.compile(r"[^\s\"']*/maskgrove-[^/\s]+/")


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
    asked = _asked(ImportRun.Source.PLACE, place.strip(), wish, by, at)
    return ImportRun.objects.create(project=project, **asked)


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
    asked = _asked(ImportRun.Source.UPLOAD, uploads.digest(files), wish, by, at)
    with transaction.atomic():
        uploads.hold(project)
        held = ImportRun.objects.select_for_update(no_key=True).filter(state=UPLOADING, asked_by=by)
        begun = held.filter(project=project, place=asked["place"]).first()
        if begun is None:
            uploads.check(project, files)
            return uploads.announce(ImportRun(project=project, **asked), files)
        jobs.change(begun, **asked)
        return begun


def _check_pool_only(wish: Wish) -> None:
    needing = [role for role in wish.roles.roles if role is not Role.POOL]
    if needing:
        raise CannotStart(f"{' and '.join(needing)} images need annotations: give their COCO file too.")


def _asked(source: ImportRun.Source, place: str, wish: Wish, by: User | None, at: datetime) -> dict[str, Any]:
    return {
        "source": source,
        "place": place,
        "annotations": wish.annotations.strip(),
        "shares": {role.value: share for role, share in wish.roles.shares.items() if share},
        "seed": wish.roles.seed,
        "strict": wish.strict,
        "in_place": wish.in_place and source == ImportRun.Source.PLACE and "://" not in place,
        "max_pixels": wish.max_pixels,
        "asked_by": by,
        "asked_at": at,
    }


def roles_of(run: ImportRun) -> RoleShares:
    """How an import divides its images."""
    return RoleShares(dict(run.divided), run.seed)


def run_import(
    run: ImportRun, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> ImportRun:
    """Carry out an import that waits, or whose process died; one that somebody is at is left alone."""
    jobs.carry_out(run, partial(_import, run), also=also, told=_told, clock=clock)
    if run.state == jobs.State.DONE:
        uploads.forget_files(run)
    return run


def stop_import(run: ImportRun, *, at: datetime) -> None:
    """Let whoever is at it end after the batch at hand; what is imported stays."""
    jobs.request_stop(run, at=at)


def go_on(run: ImportRun) -> bool:
    """Let workers try an import again that was stopped or failed; whether it is one."""
    return jobs.try_again(run)


def discard(run: ImportRun) -> bool:
    """Forget an import, with what was uploaded for it; the images that it brought stay.

    One that somebody is at is stopped, and can be discarded then.
    """
    return jobs.discard(run, uploads.forget_all)


def problems_name(run: ImportRun) -> str:
    """The artifact that has every problem of an import, a JSON object a line."""
    return f"{uploads.folder_of(run)}/problems.jsonl"


def _import(run: ImportRun, steps: Progress) -> None:
    try:
        _import_from_place(run, steps)
    except ImportBusy as busy:  # It goes on when the other one is through.
        raise Interrupted(str(busy)) from busy


def _import_from_place(run: ImportRun, steps: Progress) -> None:
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
        jobs.change(run, report={})
        try:
            with problem_log(path) as report.listener:
                yield report
        finally:
            jobs.change(run, report=json.loads(without_folders(json.dumps(report.as_json()))))
            _keep_problems(run, path)


def _keep_problems(run: ImportRun, path: Path) -> None:
    if path.stat().st_size:
        with path.open("rb") as found, writing(problems_name(run)) as kept:
            shutil.copyfileobj(found, kept)
    elif artifacts().exists(problems_name(run)):
        artifacts().delete(problems_name(run))


def _told(error: Exception) -> str:
    return without_folders(explain(error))


def without_folders(text: str) -> str:
    """A message that names files as people know them, without the temporary folder that they were read in."""
    return TEMPORARY.sub("", text)
