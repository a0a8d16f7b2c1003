"""How a worker that is told to end reaches the work of its child processes: between two pieces."""

from __future__ import annotations

from billiard import Event
from celery.signals import worker_shutting_down

from annotation_site.catalog.stages import Interrupted

ENDING = Event()
"""Made before the children are forked, so that all of them share it."""


@worker_shutting_down.connect
def _tell_children(**_signal: object) -> None:
    ENDING.set()


def until_shutdown(done: int, total: int, message: str = "") -> None:
    """A Progress that ends the work when the worker should end; the stage stays due."""
    del done, total, message
    if ENDING.is_set():
        raise Interrupted("The worker was shut down; it goes on with the next one.")
