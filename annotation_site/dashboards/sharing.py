"""Figures that many tabs ask for at once, computed once for all of them, and never while anybody waits.

The overview asks again every 1.5 s in each open tab. What that costs is bounded by time, not by tabs: a
project's figures are computed at most once in the seconds of the setting OVERVIEW_SECONDS (0 computes them
each time), and never more than a tenth of the time is spent on it: what takes a second is counted every ten.
They are shared through Django's default cache. Where that cache is one process's own, which it is while
`REDIS_URL` is unset, each process computes them once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache
from django.core.signals import request_finished

from annotation_site.catalog.models import Project

T = TypeVar("T")
log = logging.getLogger(__name__)

HELD_SECONDS = 24 * 60 * 60
"""How long figures are at hand for those who ask before newer ones are computed."""

IDLE = 9
"""Times as long as figures took to compute is nobody computing them again."""

_due = threading.local()


def shared(project: Project, what: str, compute: Callable[[Project], T]) -> T:
    """`compute(project)`, or what it gave someone before; see `shared_as`."""
    return shared_as(f"{what}:{project.pk}", partial(compute, project))


def shared_as(name: str, compute: Callable[[], T]) -> T:
    """`compute()`, or what it gave someone before under that name.

    The first who asks once that is no longer new is given it too, and computes newer figures after their page
    has been sent; a tab that looks again has those. Only while there are none yet does everyone compute. The
    figures must be picklable.
    """
    if settings.OVERVIEW_SECONDS <= 0:
        return compute()
    key = f"maskgrove:{name}"
    held: tuple[T] | None = cache.get(key)
    is_new = not cache.add(f"{key}:fresh", True, settings.OVERVIEW_SECONDS)
    if held is None:
        held = (compute(),)
        cache.set(key, held, HELD_SECONDS)
    elif not is_new:
        _waiting().append(partial(_renew, key, compute, settings.OVERVIEW_SECONDS))
    return held[0]


def shared_later(name: str, compute: Callable[[], T], *, every: int) -> T | None:
    """What `compute()` gave before, under that name; None as long as it gave nothing.

    Nobody ever waits for it: it is computed once a page has been sent, at most once in so many seconds.
    """
    key = f"maskgrove:{name}"
    held: tuple[T] | None = cache.get(key)
    if cache.add(f"{key}:fresh", True, every):
        _waiting().append(partial(_renew, key, compute, every))
    return None if held is None else held[0]


def _renew(key: str, compute: Callable[[], object], seconds: int) -> None:
    began = time.monotonic()
    cache.set(key, (compute(),), HELD_SECONDS)
    cache.set(f"{key}:fresh", True, max(seconds, round(IDLE * (time.monotonic() - began))))


def _waiting() -> list[Callable[[], None]]:
    """What this thread computes once its page has been sent."""
    if not hasattr(_due, "figures"):
        _due.figures = []
    waiting: list[Callable[[], None]] = _due.figures
    return waiting


def compute_due(**_: object) -> None:
    """Compute what is due; called when a page has been sent. What fails leaves the figures before."""
    waiting = _waiting()
    while waiting:
        renew = waiting.pop()
        try:
            renew()
        except Exception:
            log.exception("The figures of a page could not be computed; those before are shown.")


request_finished.connect(compute_due, dispatch_uid="figures that are due")
