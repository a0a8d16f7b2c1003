"""The Celery app; its settings are the site's, named CELERY_*."""

from __future__ import annotations

import os
import tempfile

import django
from celery import Celery
from celery.signals import beat_init, celeryd_init, task_prerun, worker_shutdown

from annotation_site.scratch import Scratch, place_of_user

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
django.setup()

app = Celery("maskgrove")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"], force=True)
app.autodiscover_tasks(["workers"], related_name="gpus", force=True)

SCRATCH: list[Scratch] = []
"""The folders for temporary files of this worker and its children; the last one is used."""


@celeryd_init.connect
def take_scratch(**_signal: object) -> None:
    """What a worker that was killed left is cleared away by the next one, so that no disk fills up."""
    _use(Scratch(place_of_user()))


@task_prerun.connect
def keep_scratch(**_signal: object) -> None:
    """What clears old files off a disk may have taken a folder in which nothing was for days."""
    if SCRATCH and not SCRATCH[-1].touch():
        _use(Scratch(SCRATCH[-1].place))


def _use(scratch: Scratch) -> None:
    SCRATCH.append(scratch)
    tempfile.tempdir = str(scratch.folder)


@worker_shutdown.connect
def leave_scratch(**_signal: object) -> None:
    """Children have ended by now."""
    while SCRATCH:
        SCRATCH.pop().clear()


@celeryd_init.connect
@beat_init.connect
def start_broker(**_signal: object) -> None:
    """Where no broker is set, the one of `var` is there before anything connects to it."""
    from django.conf import settings

    from annotation_site import embedded

    if settings.REDIS_EMBEDDED:
        embedded.ensure_redis(settings.VAR)
