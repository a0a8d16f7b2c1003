"""Webhooks, and what was sent to them."""

from __future__ import annotations

from typing import Any, TypedDict


class Webhook(TypedDict):
    id: int
    url: str
    description: str
    kinds: list[str]
    is_enabled: bool
    disabled_at: str | None
    disabled_because: str
    failures: int
    failing_since: str | None
    earlier_until: str | None
    created_at: str
    created_by: str | None


class SignedWebhook(Webhook):
    secret: str


class Delivery(TypedDict):
    id: int
    webhook: int
    message: str
    kind: str
    state: str
    tries: int
    made_at: str
    due_at: str
    ended_at: str | None


class Attempt(TypedDict):
    at: str
    status: int | None
    response: str
    error: str
    elapsed_ms: int
    headers: dict[str, str]


class DeliveryFacts(Delivery):
    body: dict[str, Any]
    attempts: list[Attempt]
