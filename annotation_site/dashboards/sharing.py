"""Figures that many tabs ask for at once, computed once for all of them.

The overview asks again every 1.5 s in each open tab. What that costs is bounded by time, not by tabs: a
project's figures are computed at most once in `OVERVIEW_SECONDS` (a Django setting; 3 when it is unset, 0
computes them each time), through Django's default cache. Where that cache is one process's own, which it is
while `REDIS_URL` is unset, each process computes them once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache

from annotation_site.catalog.models import Project

T = TypeVar("T")

DEFAULT_SECONDS = 3
"""Of OVERVIEW_SECONDS: two looks of a tab."""

HELD_SECONDS = 60
"""How long figures are at hand for those who ask while someone computes newer ones."""


def shared(project: Project, what: str, compute: Callable[[Project], T]) -> T:
    """`compute(project)`, or what it gave someone a moment ago.

    The first who asks after that moment computes; who asks meanwhile gets the figures before those. Only
    while there are none yet does everyone compute. The figures must be picklable.
    """
    seconds = int(getattr(settings, "OVERVIEW_SECONDS", DEFAULT_SECONDS))
    if seconds <= 0:
        return compute(project)
    key = f"maskgrove:{what}:{project.pk}"
    its_turn = cache.add(f"{key}:fresh", True, seconds)
    held: tuple[T] | None = cache.get(key)
    if held is None or its_turn:
        held = (compute(project),)
        cache.set(key, held, HELD_SECONDS)
    return held[0]
