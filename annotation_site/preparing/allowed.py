"""What of the server, and of buckets that it can read, a project may import: below IMPORT_FROM, nothing else.

Whoever sets up a project chooses what the site opens with its own rights. So those who run the site name the
folders and prefixes, and a path or URL is followed to its end before it is compared with them: no `..`, no
link, no option in a URL leads elsewhere, and nobody learns what lies outside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from django.conf import settings

from annotation_site.catalog.candidates import Candidate
from annotation_site.catalog.places import FolderPlace
from annotation_site.preparing.buckets import BucketPlace, bucket_place

URL = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://(?P<rest>[^?#@:\\\s]*)")
"""A bucket and a prefix: no user, no port, no options, no second file system chained to it."""

NEVER = ("file", "local", "http", "https", "ftp", "sftp", "ssh", "smb", "dir", "simplecache", "filecache")
"""Protocols that reach this machine's disk or whatever answers in its network."""


class PlaceRefused(ValueError):
    """A folder or URL that may not be imported from; the message says what may."""


@dataclass(frozen=True, slots=True)
class FencedFolder(FolderPlace):
    """A folder whose links lead nowhere outside of `fence`."""

    fence: Path

    def at_hand(self, batch: Sequence[Candidate]) -> AbstractContextManager[Sequence[Candidate]]:
        return nullcontext([self._fenced(candidate) for candidate in batch])

    @contextmanager
    def annotations(self, named: str) -> Iterator[Path | None]:
        """The COCO file of that name; None where none is named."""
        if not named:
            yield None
            return
        path = self.folder / named
        if not (_stays(path, self.fence) and path.is_file()):
            raise PlaceRefused(f"There is no file {named} in {self.folder}.")
        yield path

    def _fenced(self, candidate: Candidate) -> Candidate:
        if _stays(candidate.path, self.fence):
            return candidate
        return replace(candidate, fault="a link that leads out of the folders that may be imported")


def roots() -> list[str]:
    """The folders and URLs below which one may import."""
    return list(settings.IMPORT_FROM)


def allowed_place(text: str) -> FencedFolder | BucketPlace:
    """The place that a path or URL names.

    Raises
    ------
    PlaceRefused, BucketUnavailable
    """
    place = text.strip()
    if not roots():
        raise PlaceRefused(
            "This site imports only what is uploaded. Its IMPORT_FROM may name folders and buckets."
        )
    return _bucket(place) if "://" in place else _folder(place)


def _folder(text: str) -> FencedFolder:
    path = Path(os.path.normpath(text))
    for root in (Path(root).resolve() for root in roots() if "://" not in root):
        if "\0" not in text and path.is_absolute() and _stays(path, root):
            if not path.is_dir():
                raise PlaceRefused(f"{path} is not a folder.")
            return FencedFolder(path.resolve(), root)
    raise _outside(text)


def _stays(path: Path, fence: Path) -> bool:
    """Whether a path, with all links followed, is inside of a folder."""
    try:
        return path.resolve().is_relative_to(fence)
    except (OSError, RuntimeError):  # a circle of links
        return False


def _bucket(text: str) -> BucketPlace:
    found = URL.fullmatch(text)
    if found is None or ".." in PurePosixPath(found["rest"]).parts:
        raise PlaceRefused(f"{text} is no bucket with a prefix, as s3://bucket/photos: leave out the rest.")
    if found["protocol"] in NEVER:
        raise _outside(text)
    url = text.rstrip("/")
    if not any(url == root or url.startswith(f"{root}/") for root in _bucket_roots()):
        raise _outside(text)
    return bucket_place(url)


def _bucket_roots() -> list[str]:
    return [root.rstrip("/") for root in roots() if "://" in root]


def _outside(text: str) -> PlaceRefused:
    return PlaceRefused(f"{text} may not be imported from. What is below these may: {', '.join(roots())}.")
