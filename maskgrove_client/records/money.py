"""What may be spent, what was, and what is to be expected."""

from __future__ import annotations

from typing import TypedDict


class Budget(TypedDict):
    questions: int | None
    money: str | None
    currency: str
    pay_per_question: str
    pay_per_hit: str
    pay_per_hour: str
    longest_seconds: int
    unfinished: str
    fee_share: str
    least_fee: str
    committed_questions: int
    committed_money: str


class LedgerEntry(TypedDict):
    id: int
    kind: str
    questions: int
    money: str
    fee: str
    reference: str
    note: str
    at: str


class Expected(TypedDict):
    accepted: float
    low: float
    high: float
    precision: float | None
    questions: int
    money: str
    hours: float


class Forecast(TypedDict):
    masks: int
    votes: float
    currency: str
    paid_on: str
    steps: list[Expected]
    until_spent: Expected | None


class Estimate(TypedDict):
    state: str
    done: int
    total: int
    error: str
    finished_at: str | None
    forecast: Forecast | None
