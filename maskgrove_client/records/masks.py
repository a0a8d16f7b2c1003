"""Masks, and all that is known of one."""

from __future__ import annotations

from typing import TypedDict


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


class HeldoutPrediction(TypedDict):
    id: int
    tree: int
    position: int
    category: str
    image: int
    bbox: list[float]
    class_score: float
    predicted_iou: float
    score: float
    true_iou: float
    segmentation: Rle
    truth: Rle | None


class Offered(TypedDict):
    results: str
    features: str
    images: str
    computed_by: str
    replaces: bool
    size: int
    offered_at: str
    begun_at: str | None


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
