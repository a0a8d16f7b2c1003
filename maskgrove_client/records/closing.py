"""What stays of a project that was deleted."""

from __future__ import annotations

from typing import TypedDict


class Totals(TypedDict):
    questions: int
    earned: str
    fees: str
    paid: str
    declined: str


class Deletion(TypedDict):
    id: int
    slug: str
    name: str
    currency: str
    asked_by: str
    asked_at: str
    keeps_answers: bool
    state: str
    done: int
    total: int
    message: str
    error: str
    finished_at: str | None
    totals: Totals


class ForeseenDeletion(TypedDict):
    images: int
    in_place: int
    masks: int
    answers: int
    exports: int
    owed: str
    currency: str
    obstacles: list[str]


class StatementLine(Totals):
    worker: int | None
    name: str
    provider: str
    external_id: str
