"""The system page: queues, workers, stages and jobs under way and failed, room on disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import StageError
from annotation_site.dashboards import background

QUEUES = ("gpu", "cpu", "io")
STORAGES = ("images", "artifacts", "crops")
RECENT = 30
"""Stages that are shown."""


URGENT = Case(When(state="running", then=0), When(state="failed", then=1), default=2)
"""What runs comes first, then what failed: of many stages neither vanishes behind those that are done."""


class NothingToRetry(StageError):
    """A stage that neither failed nor was stopped, or of an earlier round."""


@dataclass(frozen=True, slots=True)
class Room:
    """A storage on a disk: bytes that are free and there are in all."""

    name: str
    place: Path
    free: int
    total: int

    @property
    def used_share(self) -> float:
        """In per cent."""
        return 100 * (1 - self.free / self.total)


def database_size() -> int:
    """Bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size: int = cursor.fetchone()[0]
        return size


def queues() -> dict[str, int]:
    """Messages that wait in each queue; none where the broker is away."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
    try:
        return {name: int(client.llen(name)) for name in QUEUES}
    except redis.RedisError:
        return {}


def rooms() -> list[Room]:
    """The storages that are folders; those elsewhere have their own pages."""
    found = []
    for name in STORAGES:
        storage = storages[name]
        if isinstance(storage, FileSystemStorage):
            place = Path(storage.location)
            there = next(folder for folder in (place, *place.parents) if folder.exists())
            usage = shutil.disk_usage(there)
            found.append(Room(name, place, usage.free, usage.total))
    return found


def buckets() -> list[tuple[str, str]]:
    """The storages that are elsewhere, each with where; how full they are is told there."""
    found = []
    for name in STORAGES:
        storage = storages[name]
        if not isinstance(storage, FileSystemStorage):
            bucket, prefix = getattr(storage, "bucket_name", ""), getattr(storage, "location", "")
            found.append((name, f"s3://{bucket}/{prefix}" if bucket else type(storage).__name__))
    return found


def stage_runs() -> QuerySet[StageRun]:
    """The stages that were begun, of all projects in use; without what they left to look at."""
    runs = StageRun.objects.select_related("round__project").exclude(state=StageRun.State.WAITING)
    return runs.exclude(round__project__state__in=Project.PUT_AWAY).defer("detail")


def retry_stage(run: StageRun) -> None:
    """Let workers carry a stage on that failed or was stopped, and its round as far as that was wanted.

    Raises
    ------
    NothingToRetry, ProjectArchived
    """
    if run.state not in (StageRun.State.FAILED, StageRun.State.STOPPED):
        raise NothingToRetry(f"{run.stage} is {run.state}: only what failed or was stopped is tried again.")
    if current_round(run.round.project) != run.round:
        raise NothingToRetry(f"{run.stage} belongs to round {run.round.number}, and a later one was begun.")
    enqueue.run_pipeline(run.round.project, until=StageRun.Stage(run.stage))


def _superusers_only(request: HttpRequest) -> None:
    if not getattr(request.user, "is_superuser", False):
        raise PermissionDenied


def gather() -> dict[str, Any]:
    """What the page shows."""
    return {
        "section": "system",
        "queues": queues(),
        "workers": enqueue.workers(),
        "runs": stage_runs().annotate(turn=URGENT).order_by("turn", "-heartbeat_at", "-pk")[:RECENT],
        "jobs": background.work(),
        "rooms": rooms(),
        "buckets": buckets(),
        "database": database_size(),
    }


@login_required
@require_GET
def system(request: HttpRequest) -> HttpResponse:
    """The machine room; for superusers."""
    _superusers_only(request)
    name = "dashboards/system_live.html" if "live" in request.GET else "dashboards/system.html"
    return render(request, name, gather())


@login_required
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Let workers carry a failed or stopped stage on."""
    _superusers_only(request)
    run = get_object_or_404(StageRun, pk=pk)
    try:
        retry_stage(run)
    except StageError as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboards:system")


@login_required
@require_POST
def retry_job(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Let workers try an import, export, estimate or deletion again."""
    _superusers_only(request)
    if kind not in background.KINDS:
        raise Http404
    job = get_object_or_404(background.KINDS[kind].model._default_manager, pk=pk)
    try:
        if not background.retry(kind, job):
            messages.error(request, _("Only what failed or was stopped is tried again."))
    except ProjectArchived as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboards:system")
