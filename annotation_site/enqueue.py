"""What the site leaves to workers, by the names of their tasks: the only place of the site that knows Celery.

Messages carry ids and nothing else. What is to be done stands in Postgres before a message is sent, and
workers look there again every few seconds: a message that is lost costs seconds, one that comes twice
changes nothing.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from celery import Celery
from django.conf import settings
from django.db import transaction

from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.verification.carrying_on import stop, want

QUEUES = {
    StageRun.Stage.TRAIN: "gpu",
    StageRun.Stage.DETECT: "gpu",
    StageRun.Stage.CLUSTER: "cpu",
    StageRun.Stage.CALIBRATE: "cpu",
    StageRun.Stage.OPEN: "cpu",
}
"""Where the stages queue; a worker serves the queues that its machine is fit for."""

log = logging.getLogger(__name__)


def run_pipeline(project: Project, *, until: StageRun.Stage = StageRun.Stage.OPEN) -> Round:
    """Let workers carry the project's current round on, stage after stage."""
    round_ = current_round(project)
    want(round_, until=until)
    send("maskgrove.run_pipeline", project.pk)
    return round_


def stop_pipeline(project: Project) -> None:
    """Let workers leave it after the piece they are at."""
    stop(current_round(project))


def run_stage(round_: Round, stage: StageRun.Stage) -> None:
    """Let a worker of the stage's queue carry out one stage."""
    send(f"maskgrove.{stage}", round_.pk, queue=QUEUES[stage])


def send(task: str, *arguments: Any, queue: str = "io") -> None:
    """Queue a task once the transaction at hand is committed."""
    transaction.on_commit(lambda: _send(task, arguments, queue))


def _send(task: str, arguments: tuple[Any, ...], queue: str) -> None:
    try:
        client().send_task(task, args=arguments, queue=queue, retry=False, ignore_result=True)
    except client().connection_for_write().connection_errors as error:
        log.warning("%s could not be queued (%s); workers find it by themselves.", task, error)


@cache
def client() -> Celery:
    """Sends tasks; knows none of them."""
    app = Celery("maskgrove-site", set_as_current=False)
    app.config_from_object(settings, namespace="CELERY")
    return app
