"""Signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body (standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime


def headers(*, message: str, body: str, secrets: Iterable[str], at: datetime) -> dict[str, str]:
    """What proves a message: its id, when it is sent, and a signature by each secret."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(sign(message, timestamp, body, secret) for secret in secrets)
    return {"webhook-id": message, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def sign(message: str, timestamp: str, body: str, secret: str) -> str:
    """The signature by one secret, "whsec_" and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
