"""How much memory there is, and how many masks an exact tree may therefore have."""

from __future__ import annotations

import math
import os
from pathlib import Path

_SHARE = 0.6
"""Of the memory that is there, so much may be taken: others need some, and estimates err."""

_FALLBACK = 4 << 30


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
