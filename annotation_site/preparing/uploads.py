"""Files that a browser brings: announced as a list, received piece by piece, gone on with after a break.

Every piece is an artifact of its own, so that any process of the site can take the next one, wherever
artifacts are kept, and a piece that comes twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import IO

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet, Sum

from annotation_site.catalog import jobs
from annotation_site.catalog.jobs import State
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts, delete_artifacts, writing
from annotation_site.preparing.models import UPLOADING, ImportRun, UploadedFile
from annotation_site.preparing.pieces import PIECE, reading

MOST_FILES = 10_000
"""In one upload; more come as a zip."""

LONGEST_NAME = 500
KEPT_FOR = timedelta(days=7)
"""How long an upload waits to be gone on with."""


class UploadRefused(ValueError):
    """Files that cannot be uploaded so; the message says why."""


class OutOfOrder(Exception):
    """A piece that does not follow on what is there: `received` bytes are."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received} bytes are there: send what follows on them.")
        self.received = received


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that a browser is about to send."""

    name: str
    size: int


def hold(project: Project) -> None:
    """Let uploads of a project begin one after the other until this transaction ends: they share a limit."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def check(project: Project, files: Sequence[Announced]) -> None:
    """Raise UploadRefused unless files of these names and sizes may be uploaded, the project being held."""
    if not 0 < len(files) <= MOST_FILES:
        raise UploadRefused(
            f"An upload has 1 to {MOST_FILES:,} files, and these are {len(files):,}: put them in a zip."
        )
    for file in files:
        if file.size < 0 or not is_plain(file.name):
            raise UploadRefused(f"{file.name!r} is no name of a file inside a folder: rename it.")
    waiting = UploadedFile.objects.filter(run__project=project).aggregate(sum=Sum("size", default=0))["sum"]
    if waiting + sum(file.size for file in files) > settings.UPLOAD_LIMIT:
        raise UploadRefused(
            f"Uploads of a project may take {settings.UPLOAD_LIMIT / 1e9:,.0f} GB until they are imported "
            "(UPLOAD_LIMIT): discard unfinished ones, or import from a folder of the server or a bucket."
        )


def is_plain(name: str) -> bool:
    """Whether a name stays inside its folder on every system, and can be stored."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    stays = bool(parts) and ".." not in parts and not name.startswith(("/", "\\")) and ":" not in parts[0]
    return stays and "\0" not in name and len(name) <= LONGEST_NAME and name.isprintable()


def digest(files: Sequence[Announced]) -> str:
    """A name for a list of files: the same list again goes on with the upload that it began."""
    listed = json.dumps([(file.name, file.size) for file in files])
    return hashlib.sha256(listed.encode()).hexdigest()


@transaction.atomic
def announce(run: ImportRun, files: Sequence[Announced]) -> ImportRun:
    """Save an upload and the list of its files; nothing of them is there yet."""
    run.state = UPLOADING
    run.save()
    UploadedFile.objects.bulk_create(
        UploadedFile(run=run, number=number, name=file.name, size=file.size)
        for number, file in enumerate(files)
    )
    return run


def receive(*, file: UploadedFile, at: int, content: IO[bytes]) -> int:
    """Keep the piece of a file that begins at a byte; how many bytes are there then.

    Raises
    ------
    OutOfOrder
        When the piece does not follow on what is there.
    UploadRefused
        When it is shorter than the file's list said, or longer.
    """
    file.refresh_from_db()
    if file.run.state != UPLOADING:
        raise UploadRefused("This upload is over.")
    if at != file.received:
        raise OutOfOrder(file.received)
    wanted = min(PIECE, file.size - at)
    piece = content.read(wanted + 1)
    if len(piece) != wanted:
        raise UploadRefused(f"A piece of {file.name} at {at:,} has {wanted:,} bytes, not {len(piece):,}.")
    if wanted:
        _keep(piece, file, at)
    return at + wanted


def _keep(piece: bytes, file: UploadedFile, at: int) -> None:
    name = piece_name(file, at // PIECE)
    with writing(name) as kept:
        kept.write(piece)
    there = UploadedFile.objects.filter(pk=file.pk)
    if not there.filter(received=at).update(received=F("received") + len(piece)) and not there.exists():
        artifacts().delete(name)
        raise UploadRefused("This upload was discarded.")


def finish(run: ImportRun) -> None:
    """Let workers import an upload that is whole; repeating it changes nothing.

    Raises
    ------
    UploadRefused
        When bytes are missing.
    """
    missing = run.files.filter(received__lt=F("size"))
    if run.state == UPLOADING and missing.exists():
        raise UploadRefused(f"{missing.count():,} files are not here yet: choose the same files again.")
    ImportRun.objects.filter(pk=run.pk, state=UPLOADING).update(state=State.WAITING)
    run.refresh_from_db()


def opened(file: UploadedFile) -> IO[bytes]:
    """A whole uploaded file, to read and to seek in."""
    return reading(file.size, lambda number: artifacts().open(piece_name(file, number), "rb"))


def piece_name(file: UploadedFile, number: int) -> str:
    """What the artifact of a piece is called."""
    return f"{folder_of(file.run)}/files/{file.number}/{number:06d}"


def folder_of(run: ImportRun) -> str:
    """The artifacts of an import."""
    return f"projects/{run.project_id}/imports/{run.pk}"


def forget_files(run: ImportRun) -> None:
    """Delete what was uploaded."""
    delete_artifacts(f"{folder_of(run)}/files")
    run.files.all().delete()


def forget_all(run: ImportRun) -> None:
    """Delete all artifacts of an import."""
    delete_artifacts(folder_of(run))


def prune(*, at: datetime) -> int:
    """Discard uploads that nobody went on with; how many. Forget files that a finished import left."""
    left = ImportRun.objects.filter(state=UPLOADING, asked_at__lt=at - KEPT_FOR)
    for run in ImportRun.objects.filter(state=State.DONE, files__isnull=False).distinct():
        forget_files(run)
    return sum(_prune(run, left) for run in left)


def _prune(run: ImportRun, left: QuerySet[ImportRun]) -> bool:
    """Discard an upload unless somebody went on with it, or finished it, meanwhile."""
    return bool(left.filter(pk=run.pk).update(state=State.STOPPED)) and jobs.discard(run, forget_all)
