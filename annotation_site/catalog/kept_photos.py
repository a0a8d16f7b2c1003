"""Rendered photos, kept in the "crops" storage until they have grown old: a cache, always safe to delete."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from annotation_site.file_storage import storage_errors

KEEP = timedelta(days=2)
"""HITs are over long before; a photo that is asked for later is rendered again."""

log = logging.getLogger(__name__)


def kept(name: str, render: Callable[[], bytes]) -> bytes:
    """The photo of that name, rendered if it is not there.

    It is written aside and moved in, so that a reader finds all of it or nothing; what `render` raises leaves
    nothing behind. Where photos cannot be kept, they are rendered each time.

    Parameters
    ----------
    name : within the storage, ends in .jpg; says all that the photo depends on
    """
    storage = storages["crops"]
    try:
        with storage.open(name) as file:
            found: bytes = file.read()
            return found
    except FileNotFoundError:
        pass
    except storage_errors() as error:
        log.warning("The kept photo %s cannot be read (%s): it is rendered again.", name, error)
        return render()  # Keeping it would only wait for the same storage again.
    content = render()
    try:
        _keep(storage, name, content)
    except storage_errors() as error:
        log.warning("The photo %s cannot be kept (%s): see to the storage.", name, error)
    return content


def _keep(storage: Storage, name: str, content: bytes) -> None:
    if isinstance(storage, FileSystemStorage):
        _settle(content, Path(storage.path(name)))
    else:
        storage.save(name, ContentFile(content))


def _settle(content: bytes, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as aside:
        unfinished = Path(aside.name)
        try:
            aside.write(content)
            aside.flush()
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)


def prune(*, at: datetime, keep: timedelta = KEEP) -> int:
    """Delete the photos that were rendered longer than `keep` ago; their number."""
    storage, oldest = storages["crops"], at - keep
    stale = [name for name in _names(storage) if _rendered_before(storage, name, oldest)]
    for name in stale:
        storage.delete(name)
    return len(stale)


def _names(storage: Storage, folder: str = "") -> Iterator[str]:
    """Every photo that is kept."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}{name}" for name in files if name.endswith(".jpg"))
    for name in folders:
        yield from _names(storage, f"{folder}{name}/")


def _rendered_before(storage: Storage, name: str, moment: datetime) -> bool:
    """False for a file that another process has just deleted."""
    try:
        return storage.get_modified_time(name) < moment
    except FileNotFoundError:
        return False
