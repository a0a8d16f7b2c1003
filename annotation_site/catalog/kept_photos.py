"""Rendered photos, kept in the "crops" storage until they have grown old: a cache, always safe to delete."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.core.files.storage import storages

KEEP = timedelta(days=2)
"""HITs are over long before; a photo that is asked for later is rendered again."""


def kept(name: str, render: Callable[[], bytes]) -> bytes:
    """The photo of that name, rendered if it is not there.

    It is written aside and moved in, so that a reader finds all of it or nothing; what `render` raises leaves
    nothing behind.

    Parameters
    ----------
    name : within the storage, ends in .jpg; says all that the photo depends on
    """
    place = Path(storages["crops"].path(name))
    try:
        return place.read_bytes()
    except FileNotFoundError:
        content = render()
    _settle(content, place)
    return content


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
    oldest = (at - keep).timestamp()
    stale = [file for file in Path(storages["crops"].path("")).rglob("*.jpg") if _rendered(file) < oldest]
    for file in stale:
        file.unlink(missing_ok=True)
    return len(stale)


def _rendered(file: Path) -> float:
    """When, in seconds of the epoch; never for a file that another process has just deleted."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
