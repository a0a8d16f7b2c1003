"""Files that the stages leave in the "artifacts" storage: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from annotation_site.catalog.models import Round
from pipeline.progress import Progress


def artifacts() -> Storage:
    """Where shards, checkpoints and exports are kept."""
    return storages["artifacts"]


def on_a_disk() -> bool:
    """Whether artifacts are files in a folder, which every worker sees."""
    return isinstance(artifacts(), FileSystemStorage)


def round_folder(round_: Round) -> str:
    """The round's folder in the artifacts storage."""
    return f"projects/{round_.project_id}/rounds/{round_.number}"


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """A file that becomes `name`, complete and in place of an older one, when the block ends well.

    On a disk that is a rename within the folder; other storages are given the finished file.
    """
    storage = artifacts()
    target = Path(storage.path(name)) if isinstance(storage, FileSystemStorage) else None
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=target.parent if target else None, prefix=".unfinished-", delete=False
    ) as file:
        unfinished = Path(file.name)
        try:
            yield file
            file.flush()
            if target:
                _settle(file, target)
            else:
                _hand_over(file, storage, name)
        finally:
            unfinished.unlink(missing_ok=True)


def _settle(file: IO[bytes], target: Path) -> None:
    """Make sure the bytes are on the disk before the name is."""
    os.fsync(file.fileno())
    mode = 0o666 & ~_umask()
    Path(file.name).chmod(mode)
    Path(file.name).replace(target)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _hand_over(file: IO[bytes], storage: Storage, name: str) -> None:
    """Leave the whole file; a storage that does not replace what is there by itself forgets it first."""
    file.seek(0)
    if not getattr(storage, "file_overwrite", False) and storage.exists(name):
        storage.delete(name)
    storage.save(name, File(file))


@contextmanager
def reading(name: str) -> Iterator[IO[bytes]]:
    """An artifact, open to read and to seek in.

    Raises
    ------
    FileNotFoundError
    """
    with artifacts().open(name, "rb") as file:
        yield file


def delete_artifacts(folder: str) -> None:
    """Delete every file under a folder of the artifacts storage, and the folder where it is one."""
    storage = artifacts()
    folders, files = _listed(storage, folder)
    for name in files:
        storage.delete(f"{folder}/{name}")
    for name in folders:
        delete_artifacts(f"{folder}/{name}")
    if isinstance(storage, FileSystemStorage):
        storage.delete(folder)


def _listed(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """Folders and files in a folder; none in one that is not there, which buckets cannot tell apart."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return [], []
    return folders, [name for name in files if name]


@contextmanager
def local_copy(name: str) -> Iterator[Path]:
    """An artifact as a file on this machine's disk for as long as the block runs."""
    storage = artifacts()
    if isinstance(storage, FileSystemStorage):
        yield Path(storage.path(name))
        return
    with tempfile.TemporaryDirectory(prefix="maskgrove-") as scratch, storage.open(name, "rb") as stored:
        copy = Path(scratch, Path(name).name)
        with copy.open("wb") as file:
            shutil.copyfileobj(stored, file)
        yield copy


class LocalFolder:
    """A folder of artifacts as it lies at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self) -> None:
        """Keep what there is by now, also if this process is killed; call it when no file is half written."""

    def keeping(self, progress: Progress) -> Progress:
        """A Progress for work that leaves only whole files between two calls: they are kept at once."""

        def keep_and_tell(done: int, total: int, message: str = "") -> None:
            self.keep()
            progress(done, total, message)

        return keep_and_tell


class _Fetched(LocalFolder):
    """One whose files are another storage's."""

    def __init__(self, storage: Storage, folder: str, path: Path) -> None:
        super().__init__(path)
        self._storage, self._folder = storage, folder
        for name in _listed(storage, folder)[1]:
            with storage.open(f"{folder}/{name}", "rb") as stored, (path / name).open("wb") as file:
                shutil.copyfileobj(stored, file)
        self._kept = self._written()

    def _written(self) -> dict[str, int]:
        """When each file was written here, in nanoseconds."""
        return {file.name: file.stat().st_mtime_ns for file in sorted(self.path.iterdir()) if file.is_file()}

    def keep(self) -> None:
        written = self._written()
        for name, at in written.items():
            if self._kept.get(name) != at:
                with (self.path / name).open("rb") as file:
                    _hand_over(file, self._storage, f"{self._folder}/{name}")
                self._kept[name] = at
        for name in self._kept.keys() - written.keys():
            self._storage.delete(f"{self._folder}/{name}")
            del self._kept[name]


@contextmanager
def local_folder(folder: str) -> Iterator[LocalFolder]:
    """A folder of artifacts on this machine's disk; what the block leaves in it is kept, however it ends.

    Where the storage is a disk that is the folder itself. Another storage's files are fetched before the
    block; those that changed are put back after it, and whenever `keep` is called.
    """
    storage = artifacts()
    if isinstance(storage, FileSystemStorage):
        path = Path(storage.path(folder))
        path.mkdir(parents=True, exist_ok=True)
        yield LocalFolder(path)
        return
    with tempfile.TemporaryDirectory(prefix="maskgrove-") as scratch:
        fetched = _Fetched(storage, folder, Path(scratch))
        try:
            yield fetched
        finally:
            fetched.keep()
