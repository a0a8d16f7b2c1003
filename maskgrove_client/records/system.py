"""The machine room, for superusers."""

from __future__ import annotations

from typing import TypedDict


class Room(TypedDict):
    name: str
    place: str
    free: int
    total: int


class Bucket(TypedDict):
    name: str
    place: str


class System(TypedDict):
    queues: dict[str, int]
    storages: list[Room]
    buckets: list[Bucket]
    database: int


class SystemWorker(TypedDict):
    name: str
    queues: list[str]
    gpus: list[str]
    tasks: list[str]


class SystemStage(TypedDict):
    id: int
    project: str
    round: int
    stage: str
    state: str
    done: int
    total: int
    message: str
    error: str
    started_at: str | None
    heartbeat_at: str | None
    finished_at: str | None


class SystemJob(TypedDict):
    id: int
    kind: str
    project: str | None
    name: str
    state: str
    done: int
    total: int
    message: str
    error: str
    begun_at: str | None
    finished_at: str | None
