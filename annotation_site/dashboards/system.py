"""The system page: queues, workers, stages under way and failed, room on disk."""

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
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.models import Project, StageRun

QUEUES = ("gpu", "cpu", "io")
RECENT = 30
"""Stages that are shown."""


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
    for name in ("images", "artifacts", "crops"):
        storage = storages[name]
        if isinstance(storage, FileSystemStorage):
            place = Path(storage.location)
            there = next(folder for folder in (place, *place.parents) if folder.exists())
            usage = shutil.disk_usage(there)
            found.append(Room(name, place, usage.free, usage.total))
    return found


def _superusers_only(request: HttpRequest) -> None:
    if not getattr(request.user, "is_superuser", False):
        raise PermissionDenied


def gather() -> dict[str, Any]:
    """What the page shows."""
    runs = StageRun.objects.select_related("round__project").exclude(state="waiting")
    runs = runs.exclude(round__project__state__in=Project.PUT_AWAY)
    return {
        "section": "system",
        "queues": queues(),
        "workers": enqueue.workers(),
        "runs": runs.order_by("-heartbeat_at", "-pk")[:RECENT],
        "rooms": rooms(),
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
    run = get_object_or_404(StageRun, pk=pk, state__in=[StageRun.State.FAILED, StageRun.State.STOPPED])
    try:
        enqueue.run_pipeline(run.round.project)
    except ProjectArchived as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboards:system")
