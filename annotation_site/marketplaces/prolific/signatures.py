"""Whether a webhook was sent by Prolific: an HMAC over its time and its body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from django.conf import settings

LATEST = timedelta(minutes=5)
"""An older request is a replay."""


class NotSigned(Exception):
    """A webhook that Prolific did not send, or not now."""


def check(*, body: bytes, timestamp: str, signature: str, at: datetime) -> None:
    """Let a webhook pass that is signed with PROLIFIC_WEBHOOK_SECRET and new.

    Raises
    ------
    NotSigned
    """
    if not settings.PROLIFIC_WEBHOOK_SECRET:
        raise NotSigned("PROLIFIC_WEBHOOK_SECRET is not set: no webhook is taken.")
    if not hmac.compare_digest(sign(body, timestamp, settings.PROLIFIC_WEBHOOK_SECRET), signature.encode()):
        raise NotSigned("The signature is not Prolific's.")
    if not timestamp.isdecimal() or abs(at.timestamp() - int(timestamp)) > LATEST.total_seconds():
        raise NotSigned("The request is too old.")


def sign(body: bytes, timestamp: str, secret: str) -> bytes:
    """The signature that Prolific sends of a body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest)
