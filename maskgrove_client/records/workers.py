"""Who answers: their record, standing, answers and pay."""

from __future__ import annotations

from typing import TypedDict


class WorkerBrief(TypedDict):
    id: int
    name: str
    provider: str
    standing: str
    joined_at: str
    answers: int


class Record(TypedDict):
    gold_right: int
    gold_answered: int
    agreed: int
    shared: int
    look_ms: float | None
    clock_ms: float | None


class Worker(WorkerBrief):
    record: Record
    last_answer_at: str | None
    is_at_work: bool


class Change(TypedDict):
    before: str
    after: str
    reason: str
    by: str
    at: str


class WorkerFacts(WorkerBrief):
    record: Record
    changes: list[Change]
    link: str | None
    email: str | None
    route: str


class Answer(TypedDict):
    id: int
    at: str
    says: str
    elapsed_ms: int
    category: str
    image: int
    mask: int | None
    gold: int | None
    is_right: bool | None
    others: list[str]
    disagrees: bool
    decision: int | None
    retracted_at: str | None
    retracted_because: str


class GoldPoint(TypedDict):
    at: str
    answers: int
    latest: float
    share: float
    at_least: float


class PacePoint(TypedDict):
    at: str
    answers: int
    seconds: float


class Limits(TypedDict):
    watched: float
    stopped: float


class Course(TypedDict):
    gold: list[GoldPoint]
    gold_limits: Limits
    pace: list[PacePoint]
    pace_limits: Limits


class Resting(TypedDict):
    judgments: int
    decisions: int | None
    falling: int | None


class Account(TypedDict):
    earned: str
    paid: str
    declined: str
    owed: str
    currency: str
    paid_by_hand: bool


class Payment(TypedDict):
    id: int
    money: str
    note: str
    by: str
    at: str


class Message(TypedDict):
    id: int
    text: str
    by: str
    at: str
    arrived_at: str | None
    error: str


class Code(TypedDict):
    id: int
    code: str
    link: str
    created_at: str


class Gold(TypedDict):
    id: int
    origin: str
    category: str
    image: int
    mask: int | None
    bbox: list[float]
    iou: float
    is_correct: bool
    added_by: str
    retired_at: str | None
    retired_because: str
