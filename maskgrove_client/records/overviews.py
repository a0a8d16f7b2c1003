"""What the overview tells: alarms, what was bought, what is ahead, and the course by the hour."""

from __future__ import annotations

from typing import TypedDict


class Share(TypedDict):
    value: float
    low: float
    high: float


class Bought(TypedDict):
    accepted_masks: int
    rejected_masks: int
    questions: int
    questions_per_accepted_mask: float | None
    hours: float
    money: str
    money_per_accepted_mask: str | None
    committed_share: float | None
    speed_up: float | None


class Ahead(TypedDict):
    ends: str
    answers: int
    money: str
    accepted_masks: int
    low: int
    high: int
    hours: float
    at: str | None


class Alarm(TypedDict):
    key: str
    title: str
    advice: str
    command: str
    page: str
    is_grave: bool


class Hour(TypedDict):
    at: str
    answers: int
    accepted: int


class Stretch(TypedDict):
    at: str
    answers: int
    right: int
    share: Share


class CategoryShare(TypedDict):
    name: str
    masks: int
    accepted: int
    rejected: int
    accepted_clusters: int
    open_clusters: int
    answers: int
    long_tail: bool


class Overview(TypedDict):
    alarms: list[Alarm]
    bought: Bought
    quality: Share | None
    accepted_by_hand: int
    answers_per_hour: float | None
    forecast: Ahead | None
    throughput: list[Hour]
    gold: list[Stretch]
    categories: list[CategoryShare]
