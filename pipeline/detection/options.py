"""What can be chosen about training and detection; what is left open is chosen by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pipeline.predictions import FEATURE_KINDS

Options = TypeVar("Options", "FitOptions", "PredictOptions")


class InvalidOption(ValueError):
    """An option that does not exist or has a value out of range; the message names it."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how the numbers are crunched; None is chosen by itself.

    Attributes
    ----------
    device : "auto" (a CUDA GPU if there is one, else the CPU) or a torch device such as "cuda:1"
    mixed_precision : half precision where it is safe; by itself: on CUDA only
    threads : CPU threads of the network; by itself: see `available_cpus`
    loaders : threads that decode and resize images ahead of the network and encode masks after it; by itself:
        4 on a GPU, 1 on a CPU, where they compete with the network
    """

    device: str = "auto"
    mixed_precision: bool | None = None
    threads: int | None = None
    loaders: int | None = None

    def __post_init__(self) -> None:
        _at_least(1, threads=self.threads, loaders=self.loaders)


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a detector is trained; None takes what the detector was tuned for.

    Attributes
    ----------
    iterations : steps of the optimizer
    batch_size : images of one step
    learning_rate : its peak, after warming up
    short_side : pixels the shorter image side is resized to, with the longer one at most 1.67 times that
    seed : of initial weights, order, augmentation and sampling
    weights : "auto" (the best that the detector can start from), or a name that it knows, such as "imagenet",
        "coco" or "none"
    start_from : a model of an earlier round to continue from instead
    ignored_overlap : share of a proposal's area in the box of an ignored mask from which it is no background
    ignored_score : ignored masks of a lower score count for nothing; those without a score all count
    complete_share : share of each batch that completely annotated images keep beside sparse ones, at least; 0
        shows every image equally often
    checkpoint_every : iterations between checkpoints
    hardware : see `Hardware`; never changes what is learned, only how fast
    """

    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    short_side: int | None = None
    seed: int = 0
    weights: str = "auto"
    start_from: Path | None = None
    ignored_overlap: float = 0.5
    ignored_score: float = 0.0
    complete_share: float = 0.5
    checkpoint_every: int = 100
    hardware: Hardware = field(default_factory=Hardware)

    def __post_init__(self) -> None:
        _at_least(
            1, iterations=self.iterations, batch_size=self.batch_size, checkpoint_every=self.checkpoint_every
        )
        _at_least(32, short_side=self.short_side)
        if self.learning_rate is not None and not 0 < self.learning_rate < 10:
            raise InvalidOption(f"learning_rate is {self.learning_rate}, not between 0 and 10.")
        if not 0 < self.ignored_overlap <= 1:
            raise InvalidOption(f"ignored_overlap is {self.ignored_overlap}, not above 0 and at most 1.")
        if not 0 <= self.ignored_score <= 1:
            raise InvalidOption(f"ignored_score is {self.ignored_score}, not between 0 and 1.")
        if not 0 <= self.complete_share < 1:
            raise InvalidOption(f"complete_share is {self.complete_share}, not between 0 and 1.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> FitOptions:
        """Options from JSON; the hardware's stand among the others, by their own names."""
        return _from_mapping(cls, values)


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How a trained detector predicts.

    Attributes
    ----------
    min_confidence : predictions with a lower class score are dropped (the paper's 0.2)
    max_masks : the most predictions of an image, best class scores first
    batch_size : images that pass the network together; None: 8 on a GPU, 4 on a CPU
    features : the kinds of feature vectors to keep, of `FEATURE_KINDS`; more kinds, more disk
    hardware : see `Hardware`
    """

    min_confidence: float = 0.2
    max_masks: int = 100
    batch_size: int | None = None
    features: tuple[str, ...] = FEATURE_KINDS
    hardware: Hardware = field(default_factory=Hardware)

    def __post_init__(self) -> None:
        _at_least(1, max_masks=self.max_masks, batch_size=self.batch_size)
        if not 0 <= self.min_confidence <= 1:
            raise InvalidOption(f"min_confidence is {self.min_confidence}, not between 0 and 1.")
        if not isinstance(self.features, tuple) or any(kind not in FEATURE_KINDS for kind in self.features):
            raise InvalidOption(f"features is {self.features!r}, not a list of {', '.join(FEATURE_KINDS)}.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> PredictOptions:
        """Options from JSON; the hardware's stand among the others, by their own names."""
        return _from_mapping(cls, values)


def _at_least(bound: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < bound:
            raise InvalidOption(f"{name} is {value}, not at least {bound}.")


def _from_mapping(cls: type[Options], values: Mapping[str, Any]) -> Options:
    own, machine = ({item.name for item in fields(kind)} - {"hardware"} for kind in (cls, Hardware))
    unknown = set(values) - own - machine
    if unknown:
        choices = ", ".join(sorted(own | machine))
        raise InvalidOption(f"Unknown detector options {sorted(unknown)}: choose from {choices}.")
    chosen = {name: _plain(name, value) for name, value in values.items() if name in own}
    try:
        hardware = Hardware(**{name: value for name, value in values.items() if name in machine})
        return cls(**chosen, hardware=hardware)
    except TypeError as error:
        raise InvalidOption(f"A detector option is of the wrong type: {error}.") from error


def _plain(name: str, value: Any) -> Any:
    """A JSON value as the type of the option it is for."""
    if name == "start_from" and value is not None:
        return Path(value)
    return tuple(value) if name == "features" and isinstance(value, list) else value


def available_cpus() -> int:
    """CPUs this process may use: its affinity, less where a container's quota or OMP_NUM_THREADS says so.

    One thread a CPU is what the network gets by itself; more only make them wait for each other.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        allowed = min(allowed, int(wanted))
    return max(1, min(allowed, _quota(Path("/sys/fs/cgroup/cpu.max"))))


def _quota(limit: Path) -> int:
    """Whole CPUs that a container's control group grants; very many where it sets no limit."""
    try:
        quota, period = limit.read_text().split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return 1 << 16
