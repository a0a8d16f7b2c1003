"""A worker's way to the first question: the instructions, and the test with its result."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from annotation_site.limits import is_too_often, too_often
from annotation_site.pages.figures import Figure, category_lessons
from annotation_site.pages.notices import notice
from annotation_site.pages.texts import refusal_texts, verify_texts
from annotation_site.pages.views import for_members
from annotation_site.pages.way import Step, Way, stepping
from annotation_site.pages.work import test_of
from annotation_site.people.models import Membership
from annotation_site.people.qualification import attempts, policy
from annotation_site.people.qualification.lessons import gallery
from annotation_site.people.qualification.policy import NotQualified
from annotation_site.people.standing import WorkerStopped

LONGEST_BODY = 10_000
"""Bytes: an answer has some fifty."""
LONGEST_MS = 3_600_000
"""Of a longer look, an hour is noted."""


@require_safe
@for_members
def instructions(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The rule, with real masks that keep it and break it, and what the team says of each category."""
    way = Way.of(membership)
    context = {
        "membership": membership,
        "project": membership.project,
        "way": way,
        "gallery": [Figure.of_example(lesson) for lesson in gallery(membership.project)],
        "lessons": category_lessons(membership.project),
    }
    return stepping(render(request, "pages/instructions.html", context), way)


@csrf_exempt  # Who can address this view has the secret; a cookie would prove less.
@require_POST
@for_members
def begin(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Begin an attempt, or go on with the one that was begun."""
    if _is_too_often(membership):
        return too_often(request)
    if Way.of(membership).step == Step.AGREE:
        return redirect("pages:landing", membership.address)
    try:
        attempts.begin_attempt(membership=membership, at=timezone.now())
    except NotQualified:
        return notice(request, "not-passed", membership)
    except WorkerStopped:
        return notice(request, "stopped", membership)
    except attempts.NothingToPass:
        return redirect("pages:landing", membership.address)
    return redirect("pages:test", membership.address)


@require_safe
@for_members
def test(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The attempt that is open, on the page that HITs are answered on; else the last result."""
    attempt = attempts.open_attempt(membership)
    if attempt is None:
        return redirect("pages:test-result", membership.address)
    context = {
        "membership": membership,
        "hit": test_of(attempt, membership),
        "texts": verify_texts(),
        "guides": membership.project.categories.exclude(guide=""),
        "is_test": True,
    }
    return render(request, "pages/verify.html", context)


@require_safe
@for_members
def result(request: HttpRequest, membership: Membership) -> HttpResponse:
    """How the last attempt went, mask by mask."""
    attempt = attempts.latest_result(membership)
    if attempt is None:
        return redirect("pages:landing", membership.address)
    items = attempt.items.select_related("lesson__image", "lesson__category").filter(unseen_at__isnull=True)
    figures = [Figure.of_answer(item) for item in items]
    way = Way.of(membership)
    context = {
        "membership": membership,
        "attempt": attempt,
        "way": way,
        "needed": policy.right_needed(attempt.pass_mark, attempt.seen or 0),
        "wrong": [figure for figure in figures if not figure.is_right],
        "right": [figure for figure in figures if figure.is_right],
        "texts": refusal_texts(),
    }
    return stepping(render(request, "pages/result.html", context), way)


@csrf_exempt
@require_POST
@for_members
def answer(request: HttpRequest, membership: Membership, key: UUID) -> HttpResponse:
    """Record an answer to the test. Safe to repeat: while an answer stands, nothing changes it."""
    if _is_too_often(membership):
        return _wait()
    given = _given(request)
    if given is None:
        return _problem(HTTPStatus.BAD_REQUEST, "invalid", "Give says and elapsed_ms.")
    try:
        left = attempts.answer(membership=membership, key=key, at=timezone.now(), **given)
    except attempts.UnknownTestItem as error:
        return _problem(HTTPStatus.NOT_FOUND, "unknown-item", str(error))
    return JsonResponse({"says": given["says"], "remaining": left.remaining, "late": False})


@csrf_exempt
@require_POST
@for_members
def undo(request: HttpRequest, membership: Membership, key: UUID) -> HttpResponse:  # noqa: ARG001
    """Take back an answer to the test while it is not over. Safe to repeat."""
    if _is_too_often(membership):
        return _wait()
    try:
        left = attempts.undo(membership=membership, key=key)
    except attempts.UnknownTestItem as error:
        return _problem(HTTPStatus.NOT_FOUND, "unknown-item", str(error))
    except attempts.TestOver as error:
        return _problem(HTTPStatus.CONFLICT, "undo-too-late", str(error))
    return JsonResponse({"says": None, "remaining": left.remaining, "late": False})


def _is_too_often(membership: Membership) -> bool:
    return is_too_often("test", str(membership.pk), most=settings.RATE_LIMITS["test"])


def _wait() -> JsonResponse:
    return _problem(HTTPStatus.TOO_MANY_REQUESTS, "too-often", "Send it again in a minute.")


def _given(request: HttpRequest) -> dict[str, Any] | None:
    """The answer in a request's body; None when it is none."""
    try:
        body = json.loads(request.body[:LONGEST_BODY])
        says, elapsed = str(body["says"]), int(body["elapsed_ms"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    if says not in attempts.SAYS or elapsed < 0:
        return None
    return {"says": says, "elapsed_ms": min(elapsed, LONGEST_MS)}


def _problem(status: HTTPStatus, kind: str, detail: str) -> JsonResponse:
    return JsonResponse({"type": kind, "title": detail}, status=status)
