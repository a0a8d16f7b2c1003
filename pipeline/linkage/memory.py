"""How much memory there is, and how many masks an exact tree may therefore have."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SHARE = 0.6
"""Of the memory that is there, so much may be taken: others need some, and estimates err."""

_FALLBACK = 4 << 30

_SMALL = 12_000
"""Exact trees of so many masks, 300 MB, take no turns."""

WAITING = "Waiting for another large tree"
"""The message of a process whose turn has not come, which says nothing of how it gets on itself."""

_LOOK_AGAIN = 0.5
"""Seconds until one that waits for its turn looks again."""


def available_memory() -> int:
    """Bytes that could be taken now without swapping, within the limits of a container."""
    free = _meminfo_available() or _FALLBACK
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    return free if limit is None else max(0, min(free, limit - (used or 0)))


def exact_limit(*, dimensions: int, memory: int | None = None) -> int:
    """The largest n whose exact tree fits `memory` bytes (by itself a share of what is available).

    An exact tree of n masks takes 2 n² bytes for distances, and n rows of float32 twice.
    """
    budget = _SHARE * available_memory() if memory is None else float(memory)
    per_row = 8.0 * dimensions + 1024
    return max(2, int((math.sqrt(per_row * per_row + 8 * budget) - per_row) / 4))


@contextmanager
def turn(n: int, waiting: Callable[[], None]) -> Iterator[bool]:
    """Keep other large trees of this account and machine waiting while one of n masks is begun and made.

    Several that begin at once would each find the memory that is free and take it together. Exact trees use
    all cores, so that turns cost no time. A small tree takes none. `waiting` is called until it is ours, and
    ends the wait by raising; the system ends the turn of a process that dies. Yields whether it had to wait.
    """
    if n <= _SMALL:
        yield False
        return
    waited = False
    with (_place() / f"maskgrove-tree-{os.getuid()}.lock").open("w") as file:
        while not _locked(file.fileno()):
            waited = True
            waiting()
            time.sleep(_LOOK_AGAIN)
        yield waited


def _place() -> Path:
    """The machine's directory for temporary files, whichever folder of it a process keeps its own in."""
    named = Path(os.environ.get("TMPDIR") or "/tmp")
    return named if named.is_dir() else Path("/tmp")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return _pages_available()
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _pages_available() -> int | None:
    """Where there is no /proc: half of the machine's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError):
        return None


def _number(path: str) -> int | None:
    """The number a file holds, None where there is no such file or it says "max"."""
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
