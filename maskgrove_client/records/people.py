"""Who runs a project, invitations to it, and who changed what."""

from __future__ import annotations

from typing import Any, TypedDict


class Person(TypedDict):
    id: int
    username: str
    email: str
    access: str


class Invitation(TypedDict):
    id: int
    email: str
    access: str
    created_at: str
    expires_at: str
    link: str


class Entry(TypedDict):
    id: int
    at: str
    who: str
    via: str
    request: str
    what: str
    row: str
    name: str
    change: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class SiteEntry(Entry):
    project: str | None
    project_id: int | None
