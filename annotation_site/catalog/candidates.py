"""Files that may become images: all of a folder, or those that a COCO file lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from annotation_site.catalog.import_report import ImportReport, Kind
from annotation_site.catalog.models import Image
from annotation_site.catalog.originals import image_files
from pipeline.coco import CocoImage
from pipeline.coco_index import CocoIndex

LONGEST_NAME = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become an image.

    Attributes
    ----------
    name : as the user knows it: relative to the folder, or as the COCO file writes it
    path : where it is, or should be
    entry : what the COCO file says of it
    """

    name: str
    path: Path
    entry: CocoImage | None = None

    def is_same_as(self, image: Image) -> bool:
        """Whether an image of the same content is this one, imported before, rather than a copy of it."""
        if self.entry is None:
            return image.name == self.name
        return image.coco_id == self.entry.id or (image.coco_id is None and image.name == self.name)


def all_in(folder: Path) -> Iterator[Candidate]:
    """Every image file under a folder."""
    for path in image_files(folder):
        yield Candidate(path.relative_to(folder).as_posix(), path)


def count_in(folder: Path) -> int:
    """How many image files there are under a folder."""
    return sum(1 for _ in image_files(folder))


def listed_in(index: CocoIndex, folder: Path) -> Iterator[Candidate]:
    """Every image that a COCO file lists, whether its file is there or not."""
    for entry in index.images():
        yield Candidate(entry.file_name, _locate(folder, entry.file_name), entry)


def _locate(folder: Path, file_name: str) -> Path:
    """The file under the folder: at the written path, or without the path's folders."""
    written = PurePosixPath(file_name.replace("\\", "/"))
    inside = Path(os.path.normpath(folder / written))
    if inside.is_relative_to(os.path.normpath(folder)) and _is_file(inside):
        return inside
    return folder / (written.name or "?")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or with a null in it
        return False


def is_usable(candidate: Candidate, report: ImportReport) -> bool:
    """Whether there is such a file under a name that can be stored; reported otherwise."""
    name = candidate.name
    if "\0" in name or not _is_text(name) or max(len(name), len(str(candidate.path))) > LONGEST_NAME:
        shown = name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:LONGEST_NAME]
        report.add(Kind.BAD_NAME, shown, f"file names are UTF-8 of at most {LONGEST_NAME} letters")
        return False
    if not _is_file(candidate.path):
        report.add(Kind.MISSING, name, f"no file {candidate.path}")
        return False
    return True


def _is_text(name: str) -> bool:
    """Whether a name is proper text; file systems may hold bytes that are not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
