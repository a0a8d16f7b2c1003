"""Rounds and their stages."""

from __future__ import annotations

from typing import Any, TypedDict


class Stage(TypedDict):
    stage: str
    round: int
    state: str
    done: int
    total: int
    message: str
    error: str
    stop_requested: bool
    started_at: str | None
    heartbeat_at: str | None
    finished_at: str | None
    detail: dict[str, Any]


class Round(TypedDict):
    number: int
    created_at: str
    detector: str
    feature_source: str
    carry_on_to: str
    k_pa: float | None
    same_iou: float
    better_by: float
    known_objects: int
    calibration: dict[str, Any] | None


class Prospect(TypedDict):
    k_pa: float
    questions: int
    accepted_masks: int
    precision: float | None
    clusters: int
    hours: float
    money: str


class Outlook(TypedDict):
    round: int
    k_pa: float | None
    calibrated: float
    is_fixed: bool
    currency: str
    done: int
    of: int
    outlook: list[Prospect]


class LongTail(TypedDict):
    categories: int
    masks: int
    asked: bool
