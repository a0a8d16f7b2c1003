"""Temporary files of a long-lived process, in a folder of its own that somebody clears away whatever ends it.

The kernel drops the lock on a folder with the last process that holds it, those forked of it included. Who
comes next to the same place deletes the folders whose locks are free.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO


class Scratch:
    """A folder of this process and of those it forks, locked as long as one of them lives.

    Attributes
    ----------
    folder : where temporary files go
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (place / "turn").open("w") as turn:  # A lock is not looked at between its making and its taking.
            _is_ours(turn, fcntl.LOCK_EX)
            for lock in place.glob("*.lock"):
                _clear_if_left(lock)
            self.folder = Path(tempfile.mkdtemp(prefix="", dir=place))
            self._lock = _lock_of(self.folder).open("w")
            _is_ours(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def clear(self) -> None:
        """Delete it with all that is in it, when no other process uses it any more."""
        _delete(self.folder)
        self._lock.close()


def place_of_user() -> Path:
    """Where the scratch folders of this user's processes are: in the directory for temporary files."""
    return Path(tempfile.gettempdir(), f"maskgrove-scratch-{os.getuid()}")


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _clear_if_left(lock: Path) -> None:
    with lock.open("w") as held:
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
