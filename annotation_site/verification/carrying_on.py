"""A round from one stage to the next: in this process, or by workers for as long as somebody wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

import numpy as np
from django.utils import timezone

from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.calibrating import calibrate_round
from annotation_site.catalog.clustering import cluster
from annotation_site.catalog.detecting import detect
from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.offering import check_nothing_offered, offered, take_offered
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.stages import (
    ORDER,
    Stage,
    State,
    give_up,
    next_stage,
    orphaned,
    request_stop,
    run_stage,
)
from annotation_site.catalog.training import train
from annotation_site.verification.campaign import open_round
from pipeline.progress import Progress, silent

Watch = Callable[[StageRun.Stage], AbstractContextManager[Progress]]


def _unwatched(_stage: StageRun.Stage) -> AbstractContextManager[Progress]:
    return nullcontext(silent)


def _open(round_: Round, report: Reporter) -> None:
    rng = np.random.default_rng(round_.project.seed % 2**63)
    open_round(round_, report, rng=rng, at=timezone.now())


WORK: Mapping[StageRun.Stage, Callable[..., object]] = {
    Stage.TRAIN: train,
    Stage.DETECT: detect,
    Stage.CLUSTER: cluster,
    Stage.CALIBRATE: calibrate_round,
    Stage.OPEN: _open,
}
"""What each stage does: called with the round, a Reporter, and the stage's own options by name."""


def carry_out(
    round_: Round, stage: StageRun.Stage, *, force: bool = False, also: Progress = silent, **options: Any
) -> StageRun:
    """Carry out one stage unless it is done; see `catalog.stages.run_stage`.

    Predictions that were uploaded for the round take the place of detecting here.
    """
    if stage == Stage.DETECT and (offer := offered(round_)):
        return take_offered(offer, also=also)

    def work(report: Reporter) -> None:
        WORK[stage](round_, report, **options)

    def afresh() -> bool:
        if stage == Stage.DETECT:
            check_nothing_offered(round_)
        return force

    return run_stage(round_, stage, work, force=afresh, also=also)


def carry_on(
    round_: Round,
    *,
    until: StageRun.Stage = Stage.OPEN,
    watch: Watch = _unwatched,
) -> StageRun | None:
    """Carry out the stages that are left up to and including `until`, or to one that somebody stops.

    The row of the last one; None if none was left.
    """
    run = None
    while (stage := _left(round_, until)) is not None:
        with watch(stage) as progress:
            run = carry_out(round_, stage, also=progress)
        if run.state != State.DONE:
            break
    return run


def want(round_: Round, *, until: StageRun.Stage = Stage.OPEN) -> None:
    """Let workers carry the round on up to a stage; a stage that was stopped or failed is tried again.

    Where they are to go further already, they still do: `stop` takes back what was wanted.

    Raises
    ------
    ProjectArchived
    """
    check_in_use(round_.project)
    further = ORDER[ORDER.index(until) :]
    Round.objects.filter(pk=round_.pk).exclude(carry_on_to__in=further).update(carry_on_to=until)
    runs = StageRun.objects.filter(round=round_)
    runs.filter(state__in=[State.STOPPED, State.FAILED]).update(state=State.WAITING, error="", message="")
    runs.filter(state=State.RUNNING).update(stop_requested=False)  # A stop that nobody has heard yet.


def stop(round_: Round) -> None:
    """Let workers leave the round alone; a stage that runs ends after the piece it is at."""
    Round.objects.filter(pk=round_.pk).update(carry_on_to="")
    request_stop(round_)


def due(round_: Round, *, at: datetime) -> StageRun.Stage | None:
    """The stage that a worker should begin now; None when somebody is at it or nothing is wanted.

    A wanted stage that ran and has no process any more is due again, unless its processes keep dying.
    """
    wanted = Round.objects.values_list("carry_on_to", flat=True).get(pk=round_.pk)
    stage = _left(round_, Stage(wanted)) if wanted else None
    run = StageRun.objects.filter(round=round_, stage=stage).first() if stage else None
    if run is None or run.state in (State.WAITING, State.DONE):  # done, and uploaded predictions replace it
        return stage
    if run.state == State.RUNNING and orphaned([run]) and not give_up(run, at=at):
        return stage
    return None


def awaited(round_: Round, runs: Sequence[StageRun]) -> StageRun.Stage | None:
    """The stage that waits for a worker to begin it; None when somebody is at it or nothing is wanted.

    Parameters
    ----------
    runs : the round's stages, by `catalog.stage_rows`
    """
    stage = _left(round_, Stage(round_.carry_on_to)) if round_.carry_on_to else None
    run = next((run for run in runs if run.stage == stage), None)
    waits = run is not None and (run.is_interrupted or run.state in (State.WAITING, State.DONE))
    return stage if waits else None


def wanted_rounds() -> list[Round]:
    """The rounds that workers should look after, the longest wanted first."""
    return list(Round.objects.exclude(carry_on_to="").order_by("pk").select_related("project"))


def _left(round_: Round, until: StageRun.Stage) -> StageRun.Stage | None:
    stage = Stage.DETECT if offered(round_) else next_stage(round_)
    return stage if stage and ORDER.index(stage) <= ORDER.index(until) else None
