"""What the API tells, as the plain dictionaries of its JSON; the fields are those of its OpenAPI document.

Decimals are text, times are text in ISO 8601.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Token(TypedDict):
    name: str
    scope: str
    is_restricted: bool
    expires_at: str | None


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
    detector_options: dict[str, Any]
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


class Tree(TypedDict):
    id: int
    round: int
    category: str
    masks: int
    accepted: int
    rejected: int
    open: int
    open_clusters: int


class Decision(TypedDict):
    id: int
    tree: int
    node: int
    lo: int
    hi: int
    mean_score: float
    verdict: str
    yes: int
    no: int
    sample: int
    rule: str
    at: str
    withdrawn_at: str | None
    withdrawn_because: str


class Verdict(TypedDict):
    id: int
    tree: int
    node: int
    lo: int
    hi: int
    verdict: str
    reason: str
    by: str
    at: str
    stands: bool
    replaced_by: int | None
    undone_at: str | None
    undone_by: str | None


class Quality(TypedDict):
    share: float
    low: float
    high: float


class Bar(TypedDict):
    low: float
    high: float
    count: int


class Answered(TypedDict):
    yes: int
    no: int


class NodeBrief(TypedDict):
    node: int
    lo: int
    hi: int
    size: int
    depth: int
    mean_score: float
    became: str


class Node(NodeBrief):
    height: float
    shares: dict[str, int]
    parent: NodeBrief | None
    children: list[NodeBrief]
    answered: Answered
    quality: Quality | None
    decision: Decision | None
    decided_around: Decision | None
    verdicts: list[Verdict]
    sample: list[int]
    histogram: list[Bar]


class Mask(TypedDict):
    id: int
    tree: int
    position: int
    category: str
    round: int
    image: int
    bbox: list[float]
    class_score: float
    predicted_iou: float
    score: float
    became: str
    says: list[str]


class Rle(TypedDict):
    size: list[int]
    counts: str


class Cluster(TypedDict):
    node: int
    size: int
    mean_score: float
    became: str


class Judgment(TypedDict):
    worker: str
    says: str
    elapsed_ms: int
    at: str
    retracted_at: str | None
    retracted_because: str


class MaskFacts(Mask):
    segmentation: Rle
    node: int
    clusters: list[Cluster]
    judgments: list[Judgment]
    true_iou: float | None


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
    steps: list[Expected]
    until_spent: Expected | None


class Estimate(TypedDict):
    state: str
    done: int
    total: int
    error: str
    finished_at: str | None
    forecast: Forecast | None


class Worker(TypedDict):
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
    look_ms: float
    clock_ms: float | None


class Change(TypedDict):
    before: str
    after: str
    reason: str
    by: str
    at: str


class WorkerFacts(Worker):
    record: Record
    changes: list[Change]
    link: str | None


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
