"""The files of an upload as a place to import from: loose ones, and those inside zip files."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from django.conf import settings

from annotation_site.catalog.originals import FILE_SUFFIXES
from annotation_site.catalog.places import FetchedPlace, written
from annotation_site.preparing.archives import Archive
from annotation_site.preparing.models import ImportRun, UploadedFile
from annotation_site.preparing.uploads import opened

Write = Callable[[Path], None]


class AnnotationsUnclear(ValueError):
    """The COCO file is not there, or several may be it; the message names them."""


class UploadedPlace(FetchedPlace):
    """What was uploaded, by the names of the files; those of zip files by their names inside.

    An image of a COCO file may lie in any folder: where only one file ends in its name, it is that one.
    """

    def __init__(self, members: dict[str, Write]) -> None:
        self._members = members
        self._alike: defaultdict[str, list[str]] = defaultdict(list)
        for name in members:
            self._alike[PurePosixPath(name).name].append(name)

    def __str__(self) -> str:
        return "the upload"

    def names(self) -> Iterable[str]:
        return sorted(name for name in self._members if PurePosixPath(name).suffix.lower() in FILE_SUFFIXES)

    def sought(self, file_name: str) -> tuple[str, ...]:
        path = str(written(file_name))
        if path in self._members:
            return (path,)
        alike = self._alike.get(PurePosixPath(path).name, [])
        found = [name for name in alike if name.endswith(f"/{path}")] or alike
        return tuple(found) if len(found) == 1 else ()

    def fetch(self, name: str, target: Path) -> None:
        if name not in self._members:
            raise FileNotFoundError(name)
        self._members[name](target)

    @contextmanager
    def annotations(self, named: str) -> Iterator[Path | None]:
        """The COCO file on this machine: the one that is named, else the only JSON that there is, if any.

        Raises
        ------
        AnnotationsUnclear
        """
        found = self._coco_file(named)
        with TemporaryDirectory(prefix="maskgrove-import-") as folder:
            if found is None:
                yield None
                return
            target = Path(folder, PurePosixPath(found).name)
            self.fetch(found, target)
            yield target

    def _coco_file(self, named: str) -> str | None:
        listed = sorted(name for name in self._members if name.lower().endswith(".json"))
        if named:
            found = self.sought(named)
            if not found:
                raise AnnotationsUnclear(
                    f"There is no {named} in the upload, or several: there are {_some(listed)}."
                )
            return found[0]
        if len(listed) > 1:
            raise AnnotationsUnclear(
                f"The upload has several JSON files; say which is the COCO file: {_some(listed)}."
            )
        return listed[0] if listed else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) or "no JSON files"


@contextmanager
def uploaded_place(run: ImportRun) -> Iterator[UploadedPlace]:
    """The place of an upload that is whole.

    Raises
    ------
    UnsafeArchive
    """
    files = list(run.files.select_related("run"))
    zips = [file for file in files if file.name.lower().endswith(".zip")]
    members: dict[str, Write] = {file.name: partial(_copy, file) for file in files if file not in zips}
    with ExitStack() as stack:
        left = settings.UPLOAD_LIMIT
        for file in zips:
            content = stack.enter_context(opened(file))
            archive = Archive(file.name, content, limit=left)
            stack.callback(archive.close)
            left -= sum(info.file_size for info in archive.members.values())
            before = f"{PurePosixPath(file.name).stem}/" if len(zips) > 1 else ""
            members |= {f"{before}{name}": partial(archive.unpack, name) for name in archive.members}
        yield UploadedPlace(members)


def _copy(file: UploadedFile, target: Path) -> None:
    with opened(file) as content, target.open("wb") as copy:
        shutil.copyfileobj(content, copy)
