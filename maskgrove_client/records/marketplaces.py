"""Listings on marketplaces, who came by them, and what the marketplace is told."""

from __future__ import annotations

from typing import Any, TypedDict


class Listing(TypedDict):
    id: int
    provider: str
    environment: str
    state: str
    title: str
    description: str
    keywords: str
    reward: str
    currency: str
    places: int
    minutes: int
    wants: dict[str, Any]
    cost: str
    obstacles: list[str]
    created_at: str
    published_at: str | None
    ended_at: str | None


class Progress(TypedDict):
    postings: int
    posted: int
    waiting: int
    failed: int
    submissions: dict[str, int]


class Submission(TypedDict):
    id: int
    listing: int
    worker: int | None
    worker_name: str
    external_id: str
    purpose: str
    state: str
    arrived_at: str
    confirmed_at: str | None
    handed_in_at: str | None
    ended_at: str | None
    work_begun_at: str | None
    work_ended_at: str | None


class Action(TypedDict):
    id: int
    kind: str
    submission: int | None
    money: str | None
    reason: str
    asked_at: str
    due_at: str
    tries: int
    done_at: str | None
    failed_at: str | None
    error: str
