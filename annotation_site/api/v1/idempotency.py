"""`Idempotency-Key`: a write that is repeated with its key is answered as it was, and not done again."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.models import KeptReply
from annotation_site.api.problems import Problem

HEADER = "Idempotency-Key"
LONGEST = 100
KEPT = timedelta(days=1)
ABANDONED = timedelta(minutes=10)
"""After that long a request that has no answer is one whose process died."""
REPEATED_HEADERS = ("Location",)


class AnsweredBefore(Exception):
    """The request was answered before: here is the reply."""

    def __init__(self, kept: KeptReply) -> None:
        self.response = Response(
            json.loads(kept.content) if kept.content else None,
            status=kept.status,
            headers={**kept.headers, "Idempotency-Replayed": "true"},
        )
        if self.response.status_code >= HTTPStatus.BAD_REQUEST:
            self.response.content_type = "application/problem+json"


def begin(request: Request, *, at: datetime) -> KeptReply | None:
    """Claim the key of a request; None where it has none.

    Raises
    ------
    AnsweredBefore
    Problem
        When the key belongs to another request (422), or to the same one that is still under way (409).
    """
    key = request.headers.get(HEADER)
    if key is None or request.user.pk is None:
        return None
    if not re.fullmatch(rf"[!-~]{{1,{LONGEST}}}", key):
        detail = f"An {HEADER} has 1 to {LONGEST} printable ASCII letters, and no space."
        raise Problem(HTTPStatus.BAD_REQUEST, "idempotency-key-invalid", detail)
    KeptReply.objects.filter(begun_at__lt=at - KEPT).delete()
    fingerprint = _fingerprint(request)
    try:
        with transaction.atomic():
            return KeptReply.objects.create(
                user_id=request.user.pk, key=key, fingerprint=fingerprint, begun_at=at
            )
    except IntegrityError:
        return _claim_again(request.user.pk, key, fingerprint, at)


def _claim_again(user: int, key: str, fingerprint: str, at: datetime) -> KeptReply | None:
    kept = KeptReply.objects.filter(user=user, key=key).first()
    if kept is None or kept.fingerprint != fingerprint:
        detail = f"This {HEADER} was used for another request: take a new one."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
    if kept.status is not None:
        raise AnsweredBefore(kept)
    left = KeptReply.objects.filter(pk=kept.pk, status=None, begun_at__lt=at - ABANDONED)
    if left.update(begun_at=at) != 1:
        detail = f"The request with this {HEADER} is under way: ask again in a moment."
        raise Problem(HTTPStatus.CONFLICT, "still-under-way", detail)
    return kept


def end(kept: KeptReply, response: Response) -> None:
    """Keep a reply; after an error of the site the request may be tried again."""
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kept.delete()
        return
    kept.status = response.status_code
    kept.content = "" if response.data is None else JSONRenderer().render(response.data).decode()
    kept.headers = {name: response[name] for name in REPEATED_HEADERS if name in response}
    kept.save(update_fields=["status", "content", "headers"])


def once(kept: KeptReply | None) -> uuid.UUID:
    """What a request is known by for good; the same for a request that is repeated with its key.

    Money and messages are kept with it, so that a request whose process died is not done twice either.
    """
    if kept is None:
        return uuid.uuid4()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kept.user_id} {kept.key} {kept.fingerprint}")


def _fingerprint(request: Request) -> str:
    made = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    for part in _body(request):
        made.update(part)
    return made.hexdigest()


def _body(request: Request) -> Iterator[bytes]:
    """The body; of a form its fields and the content of its files, whose boundary differs each time."""
    if request.content_type == "application/octet-stream":
        return  # A piece of a file says by its address where it belongs, and is kept once.
    if not str(request.content_type).startswith("multipart/"):
        yield request._request.body
        return
    data: Any = request.data
    for name in sorted(data):
        for value in data.getlist(name):
            yield f"\n{name}=".encode()
            if isinstance(value, UploadedFile):
                yield str(value.name).encode()
                yield from value.chunks()
                value.seek(0)
            else:
                yield str(value).encode()
