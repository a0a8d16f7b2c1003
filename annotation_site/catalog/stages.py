"""The long steps of a round, in order: one process at a time carries one out, watched, stoppable, resumable.

A stage's row says how far it is; an advisory lock says whether someone is at it. A stage that is `running`
without a lock belongs to a process that died, and whoever runs it next takes it over at once. The work
itself finishes piece by piece and skips pieces that are finished, so that taking over, resuming and
repeating are the same thing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from django.db import Error, InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from annotation_site.catalog.archived import ProjectArchived, check_in_use
from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.discarding import DISCARD
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.reporting import ClaimLost, Reporter
from annotation_site.catalog.reporting import StageError as StageError
from annotation_site.catalog.troubles import persist
from annotation_site.webhooks.models import Kind as Told
from annotation_site.webhooks.noting import note
from pipeline.progress import Progress, StopRequested, silent

Stage = StageRun.Stage
State = StageRun.State
Work = Callable[[Reporter], None]

ORDER: tuple[StageRun.Stage, ...] = (Stage.TRAIN, Stage.DETECT, Stage.CLUSTER, Stage.CALIBRATE, Stage.OPEN)
"""Each stage works on what the one before left."""

TOLD = {State.DONE: Told.STAGE_FINISHED, State.FAILED: Told.STAGE_FAILED}
"""What webhooks are told of a stage that ended."""

MOST_DEATHS = 3
"""In a row, without getting further, until nobody takes a stage over any more by itself."""

log = logging.getLogger(__name__)


class StageBusy(StageError):
    """Another process is carrying the stage out."""


class StageNotReady(StageError):
    """An earlier stage is not done."""


class RoundIsOpen(StageError):
    """People answer questions about this round: what they were asked about must stay."""


class StageFailed(StageError):
    """The work raised; the message says what a person can do, the log has the traceback."""


class Interrupted(StopRequested):
    """The process must end, though nobody wants the stage to: it stays due and goes on elsewhere."""


def run_stage(
    round_: Round,
    stage: StageRun.Stage,
    work: Work,
    *,
    force: bool | Callable[[], bool] = False,
    needs_earlier: bool = True,
    also: Progress = silent,
    clock: Callable[[], datetime] = timezone.now,
) -> StageRun:
    """Carry out a stage unless it is done; its row afterwards, in state done, stopped or waiting.

    Parameters
    ----------
    work : called with a Reporter; skips the pieces that an earlier run finished
    force : discard what this stage and the later ones left, and start afresh; a function is asked once nobody
        else can be at it, and may raise to leave everything as it is
    needs_earlier : whether the stage before must be done; not for work that brings its input from elsewhere,
        which nobody else can help with either
    also : is told how far it is as well, and may raise StopRequested too

    Raises
    ------
    StageBusy, StageNotReady, RoundIsOpen, ProjectArchived
        When it cannot be carried out now; nothing was changed.
    StageFailed
        When `work` raised.
    """
    check_in_use(round_.project)
    run, _ = StageRun.objects.get_or_create(round=round_, stage=stage)
    with Claims() as claims:
        _claim(claims, [run])
        run.refresh_from_db()
        afresh = force() if callable(force) else force
        if run.state == State.DONE and not afresh:
            return run
        if needs_earlier:
            check_ready(round_, stage)
        else:
            _claim_from_helpers(claims, [run])
        if afresh:
            _discard(claims, round_, stage)
        if not _begin(run, at=clock()):
            return run
        return _carry_out(claims, run, work, also=also, clock=clock)


def next_stage(round_: Round) -> StageRun.Stage | None:
    """The stage after the last one done; None when all are. Imported predictions stand in for training."""
    done = _done_stages(round_)
    last = max((ORDER.index(stage) for stage in done), default=-1)
    return ORDER[last + 1] if last + 1 < len(ORDER) else None


def check_ready(round_: Round, stage: StageRun.Stage) -> None:
    """Raise StageNotReady unless the stage before `stage`, or one after that, is done."""
    needed = ORDER[: ORDER.index(stage)][-1:]
    ready = {later for one in needed for later in ORDER[ORDER.index(one) :]}
    if needed and not ready & _done_stages(round_):
        slug = round_.project.slug
        raise StageNotReady(
            f"{stage} of {slug} needs {needed[0]}, which is not done: "
            f"run `manage.py {needed[0]} {slug}` first."
        )


def check_not_open(round_: Round) -> None:
    """Raise RoundIsOpen when people answer, or answered, questions about the round."""
    if Stage.OPEN in _done_stages(round_):
        raise RoundIsOpen(
            f"Round {round_.number} of {round_.project.slug} is open: its masks are being verified, so it "
            "cannot be trained, detected or clustered anew. Start a new round instead."
        )


def mark_done(round_: Round, stage: StageRun.Stage, *, message: str, at: datetime) -> StageRun:
    """Record a stage whose outcome came from elsewhere, such as detection by importing predictions."""
    values = {"state": State.DONE, "message": message, "error": "", "finished_at": at, "heartbeat_at": at}
    with transaction.atomic():
        run, _ = StageRun.objects.update_or_create(round=round_, stage=stage, defaults=values)
        _tell(run, at=at)
    return run


def request_stop(round_: Round) -> int:
    """Ask the round's running stages to end after the piece they are at; how many were asked."""
    return StageRun.objects.filter(round=round_, state=State.RUNNING).update(stop_requested=True)


@contextmanager
def nobody_at(round_: Round, *stages: StageRun.Stage) -> Iterator[None]:
    """Keep others from beginning stages and from helping with them.

    Raises
    ------
    StageBusy
        When somebody is at one.
    """
    runs = [StageRun.objects.get_or_create(round=round_, stage=stage)[0] for stage in stages]
    with Claims() as claims:
        _claim(claims, runs)
        _claim_from_helpers(claims, runs)
        yield


def start_over(round_: Round, stage: StageRun.Stage) -> None:
    """Discard what a stage and all later ones left; workers begin it again once somebody wants it.

    Raises
    ------
    StageBusy, RoundIsOpen
        When that cannot be now; nothing was changed.
    """
    run, _ = StageRun.objects.get_or_create(round=round_, stage=stage)
    with Claims() as claims:
        _claim(claims, [run])
        _discard(claims, round_, stage)
    Round.objects.filter(pk=round_.pk).update(carry_on_to="")


def give_up(run: StageRun, *, at: datetime) -> bool:
    """Fail an orphaned stage whose process keeps dying without getting further; whether it did."""
    if len(_deaths(run)) < MOST_DEATHS:
        return False
    error = (
        f"Its process died {MOST_DEATHS} times in a row without getting beyond {max(_deaths(run))} of "
        f"{run.total}. Most often the machine has too little memory. Once that is put right, run it again."
    )
    with transaction.atomic():
        changed = StageRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
            state=State.FAILED, error=error, finished_at=at
        )
        if changed:
            run.refresh_from_db()
            _tell(run, at=at)
    return changed == 1


def orphaned(runs: Iterable[StageRun]) -> list[StageRun]:
    """Those in state running that no process is at: theirs died."""
    running = [run for run in runs if run.state == State.RUNNING]
    held = claimed(Kind.STAGE, [run.pk for run in running])
    return [run for run in running if run.pk not in held]


def _done_stages(round_: Round) -> set[StageRun.Stage]:
    done = StageRun.objects.filter(round=round_, state=State.DONE).values_list("stage", flat=True)
    return {Stage(stage) for stage in done}


def _claim(claims: Claims, runs: Iterable[StageRun]) -> None:
    for run in runs:
        if not claims.take(Kind.STAGE, run.pk):
            raise StageBusy(
                f"{run.stage} of {run.round.project.slug} is being carried out by another process right now: "
                "wait for it or stop it."
            )


def _claim_from_helpers(claims: Claims, runs: Iterable[StageRun]) -> None:
    """Also from those who help: they end between two pieces once the stage has ended."""
    for run in runs:
        if not claims.take(Kind.HELP, run.pk):
            raise StageBusy(
                f"Workers that helped with {run.stage} of {run.round.project.slug} are at their last piece: "
                "try again in a moment."
            )


def _discard(claims: Claims, round_: Round, stage: StageRun.Stage) -> None:
    """Forget what `stage` and all later ones left; the later ones first."""
    check_not_open(round_)
    undone = ORDER[ORDER.index(stage) :]
    runs = list(StageRun.objects.filter(round=round_, stage__in=undone))
    _claim(claims, [run for run in runs if run.stage != stage])
    _claim_from_helpers(claims, runs)
    for one in reversed(undone):
        DISCARD[one](round_)
    for run in runs:
        claims.give_back(Kind.HELP, run.pk)
    StageRun.objects.filter(pk__in=[run.pk for run in runs]).update(
        state=State.WAITING, done=0, total=0, message="", error="", detail={}, finished_at=None
    )


@transaction.atomic
def _begin(run: StageRun, *, at: datetime) -> bool:
    """Let it run; or end it where its process was asked to stop and died before it heard that."""
    project = Project.objects.select_for_update(no_key=True).get(pk=run.round.project_id)
    if project.is_archived:  # Since this waited. Who archives it holds it, and stops running stages.
        raise ProjectArchived(project)
    run.refresh_from_db(from_queryset=StageRun.objects.select_for_update(no_key=True))
    if run.state == State.RUNNING and run.stop_requested:
        _end(run, State.STOPPED, message="Stopped on request.", at=at)
        return False
    StageRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING,
        error="",
        stop_requested=False,
        started_at=at,
        heartbeat_at=at,
        moved_at=at,
        finished_at=None,
        detail=_without_deaths(run) | ({"deaths": deaths} if (deaths := _deaths(run)) else {}),
    )
    run.refresh_from_db()
    return True


def _without_deaths(run: StageRun) -> dict[str, Any]:
    return {name: value for name, value in run.detail.items() if name != "deaths"}


def _deaths(run: StageRun) -> list[int]:
    """How far the stage was at each death of its process since it last got further."""
    earlier: list[int] = run.detail.get("deaths", [])
    if run.state != State.RUNNING:
        return []
    return [*earlier, run.done] if run.done <= max(earlier, default=-1) else [run.done]


def _carry_out(
    claims: Claims, run: StageRun, work: Work, *, also: Progress, clock: Callable[[], datetime]
) -> StageRun:
    try:
        with Reporter(claims, run, also=also, clock=clock) as reporter:
            persist(work, reporter)
    except Interrupted as interruption:
        return _end(run, State.WAITING, message=str(interruption), at=clock())
    except (StopRequested, KeyboardInterrupt) as stop:
        return _end(run, State.STOPPED, message=str(stop) or "Stopped.", at=clock())
    except ClaimLost:
        raise
    except Exception as error:
        log.error("%s of %s failed: %s", run.stage, run.round, error, exc_info=not _is_ours(error))
        with suppress(Error):  # Without a database it stays running; whoever looks next finds nobody at it.
            _end(run, State.FAILED, error=explain(error), at=clock())
        raise StageFailed(f"{run.stage} of {run.round.project.slug} failed. {explain(error)}") from error
    StageRun.objects.filter(pk=run.pk).update(done=F("total"))
    return _end(run, State.DONE, at=clock())


def _end(run: StageRun, state: StageRun.State, *, at: datetime, **values: str) -> StageRun:
    with transaction.atomic():
        changed = StageRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
            state=state, stop_requested=False, heartbeat_at=at, finished_at=at, **values
        )
        run.refresh_from_db()
        if changed:
            _tell(run, at=at)
    return run


def _tell(run: StageRun, *, at: datetime) -> None:
    """Have the project's webhooks told of a stage that is done or failed."""
    kind = TOLD.get(State(run.state))
    if kind is not None:
        told = {"round": run.round.number, "stage": run.stage, "message": run.message, "error": run.error}
        note(run.round.project_id, kind, told, at=at)


def explain(error: BaseException) -> str:
    """What a person is told of an exception: our own messages as they are, others with what to do."""
    text = str(error) or type(error).__name__
    if _is_ours(error):
        return text
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database is gone, or was for a moment ({text.strip()}). Run it again to go on."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            f"Out of memory ({text}). Close other programs, or take a smaller batch size, and run it again."
        )
    if isinstance(error, OSError):
        return f"{text}. Once that is put right, run it again: what is finished is kept."
    return (
        f"{type(error).__name__}: {text}. The log has the details; running it again keeps what is finished."
    )


def _is_ours(error: BaseException) -> bool:
    """Whether the message was written for the person who reads it."""
    return type(error).__module__.startswith(("pipeline.", "annotation_site."))
