"""Where image files come from: a folder of this machine, or a place that they are brought from in batches."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

from annotation_site.catalog.candidates import Candidate, is_file
from annotation_site.catalog.originals import image_files
from pipeline.coco import CocoImage

FETCHERS = 8
"""Files that are brought at the same time."""


class Place(Protocol):
    """Somewhere with image files; its text is what messages call it."""

    def count(self) -> int:
        """How many image files there are."""

    def all(self) -> Iterator[Candidate]:
        """Every image file, in the order of their names."""

    def listed(self, entries: Iterable[CocoImage]) -> Iterator[Candidate]:
        """Every image that a COCO file lists, whether its file is there or not."""

    def at_hand(self, batch: Sequence[Candidate]) -> AbstractContextManager[Sequence[Candidate]]:
        """The same with paths on this machine, for as long as the block runs."""


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder with its subfolders."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    def count(self) -> int:
        return sum(1 for _ in image_files(self.folder))

    def all(self) -> Iterator[Candidate]:
        for path in image_files(self.folder):
            yield Candidate(path.relative_to(self.folder).as_posix(), path)

    def listed(self, entries: Iterable[CocoImage]) -> Iterator[Candidate]:
        for entry in entries:
            yield Candidate(entry.file_name, self._locate(entry.file_name), entry)

    def at_hand(self, batch: Sequence[Candidate]) -> AbstractContextManager[Sequence[Candidate]]:
        return nullcontext(batch)

    def _locate(self, file_name: str) -> Path:
        """The file under the folder: at the written path, or without the path's folders."""
        path = written(file_name)
        inside = Path(os.path.normpath(self.folder / path))
        if inside.is_relative_to(os.path.normpath(self.folder)) and is_file(inside):
            return inside
        return self.folder / (path.name or "?")


class Unfetchable(Exception):
    """A file that is there and cannot be read, though the place can; the message says why."""


class FetchedPlace(ABC):
    """A place whose files are copied to this machine's disk, one batch at a time, and deleted after it."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Of the image files, in order."""

    @abstractmethod
    def sought(self, file_name: str) -> tuple[str, ...]:
        """The names under which an image of a COCO file may be, the likeliest first."""

    @abstractmethod
    def fetch(self, name: str, target: Path) -> None:
        """Copy a file.

        Raises
        ------
        FileNotFoundError, Unfetchable
            When this file cannot be had; other errors end the import.
        """

    def count(self) -> int:
        """See Place."""
        return sum(1 for _ in self.names())

    def all(self) -> Iterator[Candidate]:
        """See Place."""
        for name in self.names():
            yield Candidate(name, Path(), sought=(name,))

    def listed(self, entries: Iterable[CocoImage]) -> Iterator[Candidate]:
        """See Place."""
        for entry in entries:
            yield Candidate(entry.file_name, Path(), entry, sought=self.sought(entry.file_name))

    @contextmanager
    def at_hand(self, batch: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
        """See Place."""
        with TemporaryDirectory(prefix="maskgrove-import-") as folder:
            with ThreadPoolExecutor(FETCHERS) as threads:
                brought = list(threads.map(partial(self._brought, Path(folder)), count(), batch))
            yield brought

    def _brought(self, folder: Path, number: int, candidate: Candidate) -> Candidate:
        target = folder / str(number)
        for name in candidate.sought:
            try:
                self.fetch(name, target)
            except FileNotFoundError:
                continue
            except Unfetchable as error:
                target.touch()
                return replace(candidate, path=target, fault=str(error))
            return replace(candidate, path=target)
        return replace(candidate, path=target, fault=f"no such file in {self}")


def written(file_name: str) -> PurePosixPath:
    """A path as COCO files have it, on whatever system they were written."""
    return PurePosixPath(file_name.replace("\\", "/"))
