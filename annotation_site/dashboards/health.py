"""What machines ask: does the process answer, can it work, and how is it going."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus

import redis
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from annotation_site.dashboards.metrics import registry


@require_GET
def healthz(_request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok", "at": timezone.now().isoformat()})


@require_GET
def readyz(_request: HttpRequest) -> JsonResponse:
    """What the process needs is there: 200, or 503 with what is not."""
    found = {name: _told(check) for name, check in CHECKS.items()}
    ready = all(said == "ok" for said in found.values())
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({"status": "ok" if ready else "not ready", **found}, status=status)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus: with the token of METRICS_TOKEN, or for superusers who are signed in."""
    if not (_has_token(request) or getattr(request.user, "is_superuser", False)):
        raise PermissionDenied
    return HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST)


class NotReady(Exception):
    """Something that the process needs is not there; the message says what, and no more than that."""


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("migrations are missing")


def _broker() -> None:
    redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2).ping()


CHECKS: Mapping[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
}


def _told(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as lack:
        return str(lack)
    except (DatabaseError, redis.RedisError, OSError):
        return "away"
    return "ok"


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, settings.METRICS_TOKEN)
