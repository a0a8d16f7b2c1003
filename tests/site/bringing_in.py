"""Images as browsers send them: zip files, lists of files, pieces."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.roles import RoleShares
from annotation_site.preparing import imports, uploads
from annotation_site.preparing.imports import Wish
from annotation_site.preparing.models import ImportRun
from annotation_site.preparing.uploads import Announced
from tests.factories import NOON

POOL = Wish(RoleShares.all(Role.POOL))


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their names in it."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def uploaded(project: Project, files: Mapping[str, bytes], wish: Wish = POOL) -> ImportRun:
    """An upload that is whole, and waits to be imported."""
    listed = [Announced(name, len(data)) for name, data in files.items()]
    run = imports.begin_upload(project=project, files=listed, wish=wish, by=None, at=NOON)
    for file in run.files.all():
        data = files[file.name]
        for at in range(0, len(data), uploads.PIECE):
            uploads.receive(file=file, at=at, content=io.BytesIO(data[at : at + uploads.PIECE]))
    uploads.finish(run)
    return run
