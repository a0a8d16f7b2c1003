"""What the site leaves to workers, by the names of their tasks: the only place of the site that knows Celery.

Messages carry ids, and the folder of a tree in pieces. What is to be done stands in Postgres before a
message is sent, and workers look there again every few seconds: a message that is lost costs seconds, one
that comes twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from annotation_site.catalog import helping
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

HINT_LIFE = 600
"""Seconds until a message about a stage is dropped: longer than clocks differ, and too short for many to pile
up while workers are busy. What is still due then was queued again."""

PIECE_LIFE = 6 * 3600
"""Seconds until a message about a piece of a tree is dropped: longer than any tree takes."""
HELP_LIFE = 15
"""Seconds until a call for help is dropped; it is repeated for as long as there are pieces to share."""

MOST_HELPERS = 16
"""Calls for help at once: idle workers take one each, busy ones none."""

IMPATIENT = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "socket_connect_timeout": 2}
"""A request does not wait for a broker that is away."""

ANSWER_WITHIN = 1.0
"""Seconds in which a worker says that it is alive."""
ASKED = ("active_queues", "active", "gpus")
"""What a worker is asked of itself."""

log = logging.getLogger(__name__)


def run_pipeline(project: Project, *, until: StageRun.Stage = StageRun.Stage.OPEN) -> Round:
    """Let workers carry the project's current round on, stage after stage."""
    round_ = current_round(project)
    want(round_, until=until)
    send("maskgrove.run_pipeline", project.pk, expires=HINT_LIFE)
    return round_


def stop_pipeline(project: Project) -> None:
    """Let workers leave it after the piece they are at."""
    stop(current_round(project))


def run_stage(round_: Round, stage: StageRun.Stage) -> None:
    """Let a worker of the stage's queue carry out one stage."""
    send(f"maskgrove.{stage}", round_.pk, queue=QUEUES[stage], expires=HINT_LIFE)


def ask_for_help(round_: Round) -> None:
    """Let idle workers of the stage's queue join in where shards or trees are left that nobody is at."""
    stage, pieces = helping.pieces_to_share(round_)
    for _ in range(min(pieces, MOST_HELPERS)):
        send(f"maskgrove.help_{stage}", round_.pk, queue=QUEUES[StageRun.Stage(stage)], expires=HELP_LIFE)


def write_export(export_id: int) -> None:
    """Let a worker write an export that waits."""
    send("maskgrove.write_export", export_id, expires=HINT_LIFE)


def run_import(import_id: int) -> None:
    """Let a worker carry out an import that waits."""
    send("maskgrove.run_import", import_id, queue="cpu", expires=HINT_LIFE)


def make_estimate(estimate_id: int) -> None:
    """Let a worker work out an estimate that waits."""
    send("maskgrove.make_estimate", estimate_id, queue="cpu", expires=HINT_LIFE)


def compare_usefulness(comparison_id: int) -> None:
    """Let a worker of the GPUs carry out a comparison that waits."""
    send("maskgrove.compare_usefulness", comparison_id, queue="gpu", expires=HINT_LIFE)


def delete_project(deletion_id: int) -> None:
    """Let a worker carry out a deletion that waits."""
    send("maskgrove.delete_project", deletion_id, queue="cpu", expires=HINT_LIFE)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A Celery worker that answers: its name, queues, GPUs, and the tasks that it is at."""

    name: str
    queues: list[str]
    gpus: list[str]
    tasks: list[str]


def workers() -> list[WorkerProcess]:
    """The workers that answer within a second, by name; none where the broker is away.

    Those that share a name, which Celery warns of, are told as one that serves all their queues.
    """
    with ThreadPoolExecutor(len(ASKED)) as threads:  # Each question waits that second for whoever may answer.
        try:
            served, active, gpus = map(_by_name, threads.map(_asked, ASKED))
        except (OperationalError, OSError):
            return []
    return [
        WorkerProcess(
            name=name,
            queues=sorted({queue["name"] for told in served[name] for queue in told}),
            gpus=gpus.get(name, [[]])[-1],  # One name is one machine.
            tasks=[task["name"] for told in active.get(name, []) for task in told],
        )
        for name in sorted(served)
    ]


def _asked(what: str) -> list[tuple[str, list[Any]]]:
    """What each worker that is there answers to a question, with its name.

    Celery's own inspection keeps one answer a name, and workers started without one are all named alike.
    """
    answers = client().control.broadcast(what, reply=True, timeout=ANSWER_WITHIN) or []
    named = [one for answer in answers for one in answer.items()]
    return [(name, told) for name, told in named if isinstance(told, list)]  # Not an error.


def _by_name(answers: list[tuple[str, list[Any]]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for name, told in answers:
        found.setdefault(name, []).append(told)
    return found


def served_queues() -> frozenset[str]:
    """The queues that workers take work from which answer within a second; none where the broker is away."""
    try:
        served = _asked("active_queues")
    except (OperationalError, OSError):
        return frozenset()
    return frozenset(queue["name"] for _, queues in served for queue in queues)


def share_buckets(round_: Round, folder: Path, buckets: Sequence[int]) -> None:
    """Offer the pieces of a tree that is being made to whoever serves its queue: one message a piece.

    The stage at hand does all of them by itself where nobody comes, and who comes late finds nothing to do.
    """
    for bucket in buckets:
        send(
            "maskgrove.cluster_bucket",
            round_.pk,
            str(folder),
            bucket,
            queue=QUEUES[StageRun.Stage.CLUSTER],
            expires=PIECE_LIFE,
        )


def send(task: str, *arguments: Any, queue: str = "io", expires: float | None = None) -> None:
    """Queue a task once the transaction at hand is committed; after `expires` seconds it is dropped."""
    transaction.on_commit(lambda: _send(task, arguments, queue=queue, expires=expires))


def _send(task: str, arguments: tuple[Any, ...], **options: Any) -> None:
    try:
        client().send_task(task, args=arguments, retry=False, ignore_result=True, **options)
    except (OperationalError, OSError) as error:
        log.warning("%s could not be queued (%s); workers find it by themselves.", task, error)


@cache
def client() -> Celery:
    """Sends tasks; knows none of them."""
    app = Celery("maskgrove-site", set_as_current=False)
    app.config_from_object(settings, namespace="CELERY")
    app.conf.broker_transport_options = IMPATIENT
    return app
