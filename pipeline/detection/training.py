"""The training loop: batches, checkpoints, resume.

Everything random follows from the seed and the number of the iteration, so a run that was interrupted goes on
exactly as if it had not been.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.detection.detector import (
    AnnotatedImage,
    DetectionError,
    NothingToLearn,
    Step,
    Watch,
    unwatched,
)
from pipeline.detection.device import Machine
from pipeline.detection.loading import Sample, ahead, boxes_of, flipped, jittered, read_sample
from pipeline.detection.network import DetectionNetwork, Target
from pipeline.detection.plan import Plan
from pipeline.pictures import UnreadableImage
from pipeline.progress import Progress, StopRequested

CACHE_BYTES = 512 << 20
"""Decoded images kept in memory between epochs, at most."""

CURVE_POINTS = 400
"""The training curve has about that many points at most."""

LONGEST_GRADIENT = 10.0


@dataclass(slots=True)
class Reader:
    """Annotated images as samples, remembered as far as memory allows, broken ones set aside."""

    images: Sequence[AnnotatedImage]
    category_ids: tuple[int, ...]
    plan: Plan
    kept: dict[int, Sample] = field(default_factory=dict)
    bytes_kept: int = 0
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] = field(init=False)
    """Rows of the complete images, and of the sparse ones."""

    def __post_init__(self) -> None:
        sparse = np.fromiter((image.sparse for image in self.images), bool, len(self.images))
        self.rows = np.flatnonzero(~sparse), np.flatnonzero(sparse)

    def chosen(self, iteration: int) -> list[int]:
        """Rows of the images of an iteration."""
        complete, sparse = map(len, self.rows)
        return [int(self.rows[kind][place]) for kind, place in self.plan.batch(iteration, complete, sparse)]

    def batch(self, iteration: int) -> list[Sample | UnreadableImage]:
        """The samples of an iteration, each as the plan varies it; an error in place of a broken one."""
        rng = np.random.default_rng([self.plan.seed, 2, iteration])
        mirrors = rng.random(self.plan.batch_size) < 0.5
        found: list[Sample | UnreadableImage] = []
        for row, mirror in zip(self.chosen(iteration), mirrors, strict=True):
            try:
                sample = self._sample(row)
                varied = jittered(sample, rng, scales=self.plan.scales, light=self.plan.light)
                found.append(flipped(varied) if mirror else varied)
            except UnreadableImage as error:
                found.append(error)
        return found

    def _sample(self, row: int) -> Sample:
        if row in self.kept:
            return self.kept[row]
        sample = read_sample(
            self.images[row],
            short_side=self.plan.short_side,
            category_ids=self.category_ids,
            ignored_score=self.plan.ignored_score,
        )
        size = sample.image.nbytes + sample.masks.nbytes + sample.ignored.nbytes
        if self.bytes_kept + size <= CACHE_BYTES:
            self.kept[row] = sample
            self.bytes_kept += size
        return sample


def on_device(sample: Sample, device: torch.device, *, overlap: float) -> tuple[Tensor, Target]:
    """A sample as the network takes it; `overlap` as in `Target`."""
    arrays = {
        "boxes": boxes_of(sample.masks),
        "labels": sample.labels,
        "masks": sample.masks,
        "ignored": boxes_of(sample.ignored[sample.ignored.any(axis=(1, 2))]),
        "sparse": np.array(sample.sparse),
        "overlap": np.array(overlap, dtype=np.float32),
    }
    target = {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays.items()}
    return torch.from_numpy(sample.image).to(device, non_blocking=True), target


class Run:
    """A training in progress: the network, its optimizer, and how far it is."""

    def __init__(self, network: DetectionNetwork, plan: Plan, machine: Machine) -> None:
        self.network = network.to(machine.device).to(memory_format=torch.channels_last).train()
        self.plan = plan
        self.machine = machine
        self.optimizer = _optimizer(self.network, plan)
        self.scaler = torch.amp.GradScaler(enabled=machine.mixed and machine.device.type == "cuda")
        self.iteration = 0
        self.history: list[Step] = []
        self.skipped: dict[str, str] = {}
        self._sums: dict[str, float] = {}
        self._summed = 0

    def step(self, samples: Sequence[Sample]) -> None:
        """One step of the optimizer; without samples the iteration passes."""
        rate = self.plan.rate(self.iteration)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        torch.manual_seed(int(np.random.default_rng([self.plan.seed, 3, self.iteration]).integers(1 << 62)))
        if samples:
            self._learn(samples)
        self.iteration += 1
        if self.iteration % max(1, self.plan.iterations // CURVE_POINTS) == 0 or self._is_last():
            self._draw_point(rate)

    def _is_last(self) -> bool:
        return self.iteration == self.plan.iterations

    def _learn(self, samples: Sequence[Sample]) -> None:
        images, targets = zip(
            *(
                on_device(sample, self.machine.device, overlap=self.plan.ignored_overlap)
                for sample in samples
            ),
            strict=True,
        )
        with self.machine.autocast():
            losses = self.network(list(images), list(targets))
        total = sum(losses.values())
        values = {name: float(loss.detach()) for name, loss in losses.items()} | {
            "total": float(total.detach())
        }
        if not math.isfinite(values["total"]):
            raise DetectionError(
                f"Training diverged at iteration {self.iteration + 1} ({values}): lower learning_rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._summed += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def _draw_point(self, rate: float) -> None:
        if self._summed:
            means = {name: value / self._summed for name, value in self._sums.items()}
            self.history.append(Step(self.iteration, means, rate))
        self._sums, self._summed = {}, 0

    def save(self, path: Path, recipe: str) -> None:
        """Store everything that `restore` needs, under a temporary name first."""
        content = {
            "recipe": recipe,
            "iteration": self.iteration,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": [asdict(step) for step in self.history],
            "skipped": self.skipped,
            "sums": self._sums,
            "summed": self._summed,
        }
        save(content, path)

    def restore(self, path: Path, recipe: str) -> bool:
        """Go on from a checkpoint of the same recipe; False where there is none."""
        content = load(path)
        if content is None or content.get("recipe") != recipe:
            return False
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        self.iteration = content["iteration"]
        self.history = [Step(**step) for step in content["history"]]
        self.skipped = content["skipped"]
        self._sums, self._summed = content["sums"], content["summed"]
        return True


def _optimizer(network: DetectionNetwork, plan: Plan) -> torch.optim.Optimizer:
    learnt = {name: value for name, value in network.named_parameters() if value.requires_grad}
    body = [value for name, value in learnt.items() if name.startswith(network.pretrained_part)]
    rest = [value for name, value in learnt.items() if not name.startswith(network.pretrained_part)]
    groups = [{"params": body, "share": plan.body_rate}, {"params": rest, "share": 1.0}]
    if plan.adaptive:
        return torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.decay)
    return torch.optim.SGD(groups, lr=plan.learning_rate, momentum=0.9, weight_decay=plan.decay)


def train(
    run: Run,
    images: Sequence[AnnotatedImage],
    *,
    category_ids: tuple[int, ...],
    checkpoint: Path,
    recipe: str,
    every: int,
    progress: Progress,
    watch: Watch = unwatched,
) -> None:
    """Bring a run to its last iteration, keeping a checkpoint on the way and when asked to stop."""
    reader = Reader(images, category_ids, run.plan)
    total, told = run.plan.iterations, 0
    progress(run.iteration, total, "Training")
    for number, batch in _batches(reader, run):
        run.step(_usable(batch.result(), number, reader, run))
        for point in run.history[told:]:
            watch(point)
        told = len(run.history)
        if run.iteration % every == 0 and run.iteration < total:
            run.save(checkpoint, recipe)
        try:
            progress(run.iteration, total, _message(run))
        except StopRequested:
            run.save(checkpoint, recipe)
            raise
    if not run.history:
        raise NothingToLearn(f"None of {len(images)} annotated images could be read: {run.skipped}.")


def _batches(reader: Reader, run: Run) -> Iterator[tuple[int, Future[list[Sample | UnreadableImage]]]]:
    remaining = range(run.iteration, run.plan.iterations)
    return ahead(remaining, reader.batch, threads=run.machine.loaders, waiting=2 * run.machine.loaders)


def _usable(batch: list[Sample | UnreadableImage], number: int, reader: Reader, run: Run) -> list[Sample]:
    """The samples that could be read; what was wrong with the others is noted."""
    names = [reader.images[row].source.name for row in reader.chosen(number)]
    for name, sample in zip(names, batch, strict=True):
        if isinstance(sample, UnreadableImage):
            run.skipped[name] = str(sample)
    return [sample for sample in batch if isinstance(sample, Sample)]


def _message(run: Run) -> str:
    return f"Training, loss {run.history[-1].losses['total']:.2f}" if run.history else "Training"


def save(content: dict[str, Any], path: Path) -> None:
    """Write a torch file so that its name never stands for half of it."""
    temporary = path.with_name(path.name + ".part")
    torch.save(content, temporary)
    temporary.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The content of a torch file, without running code from it; None where it is missing or damaged."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError):
        return None
    return content if isinstance(content, dict) else None


def write_history(history: Sequence[Step], path: Path) -> None:
    """The training curve as JSON, for plots."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps([asdict(step) for step in history]))
    temporary.replace(path)
