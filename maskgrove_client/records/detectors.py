"""Options of a project's detector; what is left out, or None, is what the detector was tuned for."""

from __future__ import annotations

from typing import TypedDict


class Hardware(TypedDict, total=False):
    device: str | None
    threads: int | None
    loaders: int | None
    mixed_precision: bool | None
    batch_size: int | None


class TrainOptions(Hardware, total=False):
    iterations: int | None
    learning_rate: float | None
    short_side: int | None
    seed: int | None
    weights: str | None
    start_from: str | None
    ignored_overlap: float | None
    ignored_score: float | None
    complete_share: float | None
    checkpoint_every: int | None


class DetectOptions(Hardware, total=False):
    min_confidence: float | None
    max_masks: int | None
    features: list[str] | None


class DetectorOptions(TrainOptions, DetectOptions, total=False):
    train: TrainOptions | None
    detect: DetectOptions | None
