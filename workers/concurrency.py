"""How many child processes this worker has, as they find it when they are forked."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_init

CHILDREN = [0]


@worker_init.connect
def _note(sender: Any, **_signal: object) -> None:
    CHILDREN[0] = sender.concurrency


def is_single() -> bool:
    """Whether this worker does one task at a time: then a second model or linkage beside it does no harm."""
    return CHILDREN[0] == 1
