"""Files that may become images, and whether they can be taken in under their name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from annotation_site.catalog.import_report import ImportReport, Kind
from annotation_site.catalog.models import Image
from pipeline.coco import CocoImage

LONGEST_NAME = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may become an image.

    Attributes
    ----------
    name : as the user knows it: relative to its place, or as the COCO file writes it
    path : where it is, or should be, on this machine
    entry : what the COCO file says of it
    sought : names in a place that is not on this machine under which it may be, the likeliest first
    fault : why it cannot be had
    """

    name: str
    path: Path
    entry: CocoImage | None = None
    sought: tuple[str, ...] = ()
    fault: str = ""

    def is_same_as(self, image: Image) -> bool:
        """Whether an image of the same content is this one, imported before, rather than a copy of it."""
        if self.entry is None:
            return image.name == self.name
        return image.coco_id == self.entry.id or (image.coco_id is None and image.name == self.name)


def is_usable(candidate: Candidate, report: ImportReport) -> bool:
    """Whether there is such a file under a name that can be stored; reported otherwise."""
    name = candidate.name
    if "\0" in name or not _is_text(name) or max(len(name), len(str(candidate.path))) > LONGEST_NAME:
        shown = name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:LONGEST_NAME]
        report.add(Kind.BAD_NAME, shown, f"file names are UTF-8 of at most {LONGEST_NAME} letters")
        return False
    if not is_file(candidate.path):
        report.add(Kind.MISSING, name, candidate.fault or f"no file {candidate.path}")
        return False
    return True


def is_file(path: Path) -> bool:
    """Whether there is a file, whatever the path."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or with a null in it
        return False


def _is_text(name: str) -> bool:
    """Whether a name is proper text; file systems may hold bytes that are not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
