"""Temporary files of a long-lived process, in a folder of its own that somebody clears away whatever ends it.

The kernel drops the lock on a folder with the last process that holds it, those forked of it included. Who
comes next to the same place deletes the folders whose locks are free. Another machine's locks are not seen
through every mount of a shared disk: its folders go when they are old.
"""

from __future__ import annotations

import fcntl
import logging
import os
import platform
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

OLD = 30 * 24 * 3600.0
"""Seconds without a task after which nobody is at another machine's folder any more."""

BOOT = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class Scratch:
    """A folder of this process and of those it forks, locked as long as one of them lives.

    Attributes
    ----------
    place : where it was to be; where somebody else can write there, it is in a private folder beside that
    folder : where temporary files go
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        private = _private(place)
        with _turn(private) as turn:  # A lock is not looked at between its making and its taking.
            _is_ours(turn, fcntl.LOCK_EX)
            for lock in private.glob("*.lock"):
                _clear_if_left(lock)
            self.folder = Path(tempfile.mkdtemp(prefix=f"{_machine()}-", dir=private))
            self._lock = _lock_of(self.folder).open("w")
            _is_ours(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def touch(self) -> bool:
        """Keep it from what clears away old files; False when that was there already."""
        try:
            for path in (self.folder, _lock_of(self.folder)):
                os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def clear(self) -> None:
        """Delete it with all that is in it, when no other process uses it any more."""
        _delete(self.folder)
        self._lock.close()


def place_of_user() -> Path:
    """Where the scratch folders of this user's processes are: in the directory for temporary files."""
    return Path(tempfile.gettempdir(), f"maskgrove-scratch-{os.getuid()}")


def _private(place: Path) -> Path:
    """The place, if only this user can write there; else a new one beside it.

    Its name can be guessed, and in a directory for everybody's files anybody could have made it first.
    """
    with suppress(FileExistsError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = place.lstat()
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not shared:
        return place
    private = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    log.warning("Others can write to %s: temporary files go to %s.", place, private)
    return private


def _turn(place: Path) -> IO[str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    return os.fdopen(os.open(place / "turn", flags, 0o600), "w")


def _machine() -> str:
    """What tells a machine from others, and from itself before it was started anew; not its containers."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return platform.node()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _clear_if_left(lock: Path) -> None:
    is_near = lock.name.startswith(f"{_machine()}-")
    if not is_near and time.time() - lock.stat().st_mtime < OLD:
        return
    with lock.open("a") as held:
        if _is_ours(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _delete(lock.with_suffix(""))


def _is_ours(lock: IO[str], how: int) -> bool:
    """Lock a file; False where somebody has it, or where a file system without locks cannot tell."""
    try:
        fcntl.flock(lock, how)
    except OSError:
        return False
    return True


def _delete(folder: Path) -> None:
    """The lock goes last, and only with the folder: what could not be deleted is found again."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        _lock_of(folder).unlink(missing_ok=True)
