"""Background work that is a row: asked for, carried out by one process at a time, stopped, gone on with.

The row says how far a job is; an advisory lock says whether somebody is at it (docs/adr/stage-claims.md). One
that is `running` without a lock belongs to a process that died, and whoever comes next takes it over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, TypeVar

from django.db import models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.models import StageRun
from annotation_site.catalog.reporting import MESSAGE_LENGTH, ClaimLost
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted, explain
from annotation_site.catalog.steps import RowSteps
from annotation_site.catalog.troubles import persist
from pipeline.progress import Progress, StopRequested, silent

State = StageRun.State
"""How far a job is, in the words of stages."""
DUE = (State.WAITING, State.RUNNING)
ENDED = (State.STOPPED, State.FAILED, State.DONE)
Work = Callable[[Progress], None]
"""Ends between two pieces where its Progress raises; begun again, it makes what is missing or all of it."""

log = logging.getLogger(__name__)


class Job(models.Model):
    """What a row of background work says of itself."""

    CLAIM: ClassVar[Kind]
    """Of the lock of whoever is at it."""

    DEADLY: ClassVar[str] = (
        "Most often the machine has too little memory, or no room for temporary files. Once that is put "
        "right, ask for it again."
    )
    """What people are told of a job that ends its processes."""

    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=MESSAGE_LENGTH, blank=True)
    error = models.TextField(blank=True)
    stop_requested = models.BooleanField(default=False)
    deaths = models.PositiveSmallIntegerField(
        default=0, help_text="Of its processes in a row, without getting further."
    )
    reached = models.PositiveBigIntegerField(default=0, help_text="Where the first of those processes died.")
    begun_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


J = TypeVar("J", bound=Job)


def carry_out(
    job: Job,
    work: Work,
    *,
    also: Progress = silent,
    told: Callable[[Exception], str] = explain,
    clock: Callable[[], datetime] = timezone.now,
) -> None:
    """Carry out a job that waits, or whose process died; one that somebody is at is left alone.

    However the work ends, the row says so: a stop that nobody heard ends it before it begins, a process that
    must end leaves it waiting, and a job whose processes die without getting further is given up in time.

    Parameters
    ----------
    also : is told how far it is as well, and may raise Interrupted or StopRequested
    told : what people read of an exception

    Raises
    ------
    ClaimLost
        When the connection to the database broke; the row stays as it is, somebody else may be at it.
    """
    with Claims() as claims:
        if claims.take(job.CLAIM, job.pk) and _begin(job, clock()):
            _carry_out(job, work, RowSteps(job, claims, also=also), told, clock)


def change(job: Job, **values: object) -> None:
    """Write values of a row, and none that others write meanwhile."""
    _row(job).update(**values)
    for name, value in values.items():
        setattr(job, name, value)


def unattended(model: type[J]) -> QuerySet[J]:
    """The jobs that are due and that nobody is at: also what a worker that died left behind."""
    due = model._default_manager.filter(state__in=DUE).order_by("pk")
    return due.exclude(pk__in=claimed(model.CLAIM, due.values_list("pk", flat=True)))


def request_stop(job: Job, *, at: datetime) -> None:
    """Let whoever is at it end after the piece at hand; a job that nobody is at is stopped here and now."""
    if _row(job).filter(state__in=DUE).update(stop_requested=True):
        with Claims() as claims:
            if claims.take(job.CLAIM, job.pk):
                _row(job).filter(state__in=DUE).update(state=State.STOPPED, finished_at=at)


def try_again(job: Job) -> bool:
    """Let workers try a job again that was stopped or failed; whether it is one."""
    ended = _row(job).filter(state__in=[State.STOPPED, State.FAILED])
    return bool(ended.update(state=State.WAITING, error="", message="", deaths=0, stop_requested=False))


def discard(job: J, forget: Callable[[J], None]) -> bool:
    """Delete a job after what it left; one that somebody is at is stopped, and can be discarded then.

    Nobody begins it meanwhile. Whoever dies at it leaves a row that can be discarded again.

    Parameters
    ----------
    forget : deletes what it left

    Returns
    -------
    Whether it is gone.
    """
    _row(job).filter(state__in=DUE).update(stop_requested=True)
    with Claims() as claims:
        if not claims.take(job.CLAIM, job.pk):
            return False
        _row(job).exclude(state__in=ENDED).update(state=State.STOPPED)
        if (there := _row(job).first()) is not None:
            forget(there)
            there.delete()
    return True


@transaction.atomic
def _begin(job: Job, at: datetime) -> bool:
    """Count the death of whoever was at it, and let it run; or end it where a stop or deaths want that."""
    there = _row(job).select_for_update().filter(state__in=DUE).first()
    if there is None:  # It ended meanwhile, or was deleted.
        return False
    job.refresh_from_db()
    deaths, reached = _deaths(job)
    if job.stop_requested:
        change(job, state=State.STOPPED, message="", finished_at=at)
    elif deaths >= MOST_DEATHS:
        error = f"Its process died {MOST_DEATHS} times in a row without getting further. {job.DEADLY}"
        change(job, state=State.FAILED, deaths=deaths, message="", error=error, finished_at=at)
    else:
        begun = {"begun_at": at, "finished_at": None, "deaths": deaths, "reached": reached}
        change(job, state=State.RUNNING, done=0, total=0, message="", error="", **begun)
    return job.state == State.RUNNING


def _deaths(job: Job) -> tuple[int, int]:
    """How many processes died since it last got further, and how far it was by then."""
    if job.state != State.RUNNING:
        return job.deaths, job.reached
    return (job.deaths + 1, job.reached) if job.deaths and job.done <= job.reached else (1, job.done)


def _carry_out(
    job: Job, work: Work, steps: RowSteps, told: Callable[[Exception], str], clock: Callable[[], datetime]
) -> None:
    try:
        persist(work, steps)
    except ClaimLost:
        raise
    except Interrupted as interruption:
        change(job, state=State.WAITING, message=str(interruption)[:MESSAGE_LENGTH])
    except StopRequested:
        change(job, state=State.STOPPED, message="", finished_at=clock())
    except Exception as error:  # whatever it is, people must see it
        log.warning("%s failed.", job, exc_info=True)
        change(job, state=State.FAILED, message="", error=told(error), finished_at=clock())
    else:
        change(job, state=State.DONE, message="", finished_at=clock())


def _row(job: J) -> QuerySet[J]:
    return type(job)._default_manager.filter(pk=job.pk)
