"""Webhooks of marketplaces: signed hints where to look. Nothing follows from what they say."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from annotation_site import enqueue
from annotation_site.marketplaces.models import Posting
from annotation_site.marketplaces.prolific import signatures

LONGEST = 100_000
"""Bytes of a webhook that are read."""


@csrf_exempt  # No browser sends it; its signature says who does.
@require_POST
def prolific(request: HttpRequest) -> HttpResponse:
    """Something changed at Prolific: have the study looked at."""
    if int(request.headers.get("Content-Length") or 0) > LONGEST:
        return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        signatures.check(
            body=request.body,
            timestamp=request.headers.get("X-Prolific-Request-Timestamp", ""),
            signature=request.headers.get("X-Prolific-Request-Signature", ""),
            at=timezone.now(),
        )
    except signatures.NotSigned as error:
        return HttpResponse(str(error), "text/plain", HTTPStatus.FORBIDDEN)
    for posting in _concerned(request.body):
        enqueue.send("maskgrove.look_at_posting", posting.external_id)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _concerned(body: bytes) -> list[Posting]:
    """The study that a webhook is about: itself, or by one of its submissions. Others' are nobody's here."""
    try:
        resource = str(json.loads(body).get("resource_id", ""))
    except (ValueError, AttributeError):
        return []
    if not resource or not resource.isprintable():
        return []
    here = Posting.objects.filter(listing__provider="prolific").exclude(external_id="")
    return list(here.filter(external_id=resource)[:1] or here.filter(submissions__external_id=resource)[:1])
