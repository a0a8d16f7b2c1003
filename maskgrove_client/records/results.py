"""What comes out: exports, the report, the dataset's figures."""

from __future__ import annotations

from typing import Any, TypedDict


class Export(TypedDict):
    id: int
    format: str
    include: str
    round_number: int | None
    every_image: bool
    asked_by: str | None
    asked_at: str
    state: str
    done: int
    total: int
    error: str
    begun_at: str | None
    finished_at: str | None
    entries: int | None
    size: int | None
    sha256: str


class Arm(TypedDict):
    """A training: how many images and masks it learnt from beyond the initial set, and what it came to."""

    trained_on: str
    repeat: int
    images: int
    masks: int
    hours: float
    heldout_images: int
    ap50: float
    ap75: float
    objects: int
    predictions: int
    correct: float


class Comparison(TypedDict):
    id: int
    round: int
    seeds: int
    iterations: int | None
    asked_by: str | None
    asked_at: str
    state: str
    done: int
    total: int
    message: str
    error: str
    begun_at: str | None
    finished_at: str | None
    arms: list[Arm]


class CategoryReport(TypedDict):
    category: str
    long_tail: bool
    masks: int
    accepted_masks: int
    questions: int
    questions_per_accepted_mask: float | None
    precision: float | None
    sq: float | None
    coverage: float | None


class Report(TypedDict):
    project: str
    measured_at: str
    accepted_masks: int
    precision: float | None
    sq: float | None
    coverage: float | None
    annotated_images: int
    questions: int
    gold_questions: int
    questions_per_accepted_mask: float | None
    seconds_per_question: float
    time_is_measured: bool
    initial_masks: int
    verification_hours: float
    initial_hours: float
    human_hours: float
    drawing_hours: float
    speed_up: float | None
    categories: list[CategoryReport]
    rounds: list[dict[str, Any]]


class MaskSet(TypedDict):
    masks: int
    images: int
    per_image: list[int]
    centres: list[list[int]]
    sizes: list[int]


class CategoryCount(TypedDict):
    name: str
    accepted: int
    initial: int


class Dataset(TypedDict):
    accepted: MaskSet
    initial: MaskSet
    categories: list[CategoryCount]
