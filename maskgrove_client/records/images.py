"""Images, and how they come in."""

from __future__ import annotations

from typing import Any, TypedDict


class Image(TypedDict):
    id: int
    role: str
    name: str
    width: int
    height: int
    coco_id: int | None
    digest: str


class Import(TypedDict):
    id: int
    source: str
    place: str
    annotations: str
    shares: dict[str, float]
    seed: int
    strict: bool
    in_place: bool
    asked_by: str | None
    asked_at: str
    state: str
    done: int
    total: int
    message: str
    error: str
    report: dict[str, Any]
    begun_at: str | None
    finished_at: str | None


class UploadedFile(TypedDict):
    number: int
    name: str
    size: int
    received: int


class Upload(Import):
    files: list[UploadedFile]
