"""Projects: who asks, parameters, how far they are, what workers are told."""

from __future__ import annotations

from typing import TypedDict

from maskgrove_client.records.detectors import DetectorOptions


class Token(TypedDict):
    id: int
    name: str
    scope: str
    is_restricted: bool
    expires_at: str | None


class ApiToken(TypedDict):
    id: int
    name: str
    scope: str
    is_restricted: bool
    projects: list[str]
    hint: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    made_with: int | None


class NewApiToken(ApiToken):
    secret: str


class Me(TypedDict):
    username: str
    email: str
    is_superuser: bool
    token: Token | None


class Project(TypedDict):
    slug: str
    state: str
    created_at: str
    name: str
    description: str
    instructions: str
    seed: int
    generated: bool
    k_iou: float
    k_a: float
    k_pa: float | None
    n_s: int
    min_size: int | None
    confidence: float
    strategy: str
    rule: str
    worker_accuracy: float
    linkage: str
    feature: str
    use_score: bool
    detector: str
    detector_options: DetectorOptions
    hit_size: int
    gold_share: float
    lease_minutes: int
    judgments_per_question: int
    aggregation: str
    most_rounds: int
    least_gain: float
    long_tail: bool


class StageTold(TypedDict):
    stage: str
    state: str
    done: int
    total: int
    message: str


class Campaign(TypedDict):
    open_clusters: int
    accepted_clusters: int
    rejected_clusters: int
    split_clusters: int
    accepted_masks: int
    rejected_masks: int
    questions: int
    gold_questions: int
    questions_per_accepted_mask: float | None
    hours: float


class RoundTold(TypedDict):
    round: int
    known_objects: int
    accepted_masks: int


class Status(TypedDict):
    project: str
    state: str
    round: int
    images: dict[str, int]
    stages: list[StageTold]
    k_pa: float | None
    masks: int
    campaign: Campaign
    rounds: list[RoundTold]


class Category(TypedDict):
    id: int
    coco_id: int
    name: str
    supercategory: str
    guide: str


class Instructions(TypedDict):
    instructions: str
    consent: str


class QualificationTest(TypedDict):
    questions: int
    pass_mark: float
    attempts: int
    version: int
    right: int
    wrong: int
    is_asked: bool


class Example(TypedDict):
    id: int
    category: str
    image: int
    bbox: list[float]
    origin: str
    is_correct: bool
    left_out: bool
    crop: str
