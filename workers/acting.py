"""Changes that a task makes are the task's, by its name."""

from __future__ import annotations

from typing import Any

from celery.signals import task_postrun, task_prerun

from annotation_site.audit import acting


def listen() -> None:
    """Have every task say who it is."""
    task_prerun.connect(_begin, dispatch_uid="who is at work")
    task_postrun.connect(_end, dispatch_uid="nobody is at work")


def _begin(task: Any, **_signal: object) -> None:
    acting.begin(acting.Actor(task.name, "task"))


def _end(**_signal: object) -> None:
    acting.end()
