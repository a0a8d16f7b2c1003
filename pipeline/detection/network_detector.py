"""A network as a Detector: fitting, checkpoints and model files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.detection.detector import (
    AnnotatedImage,
    InvalidModel,
    Step,
    Training,
    Watch,
    check_learnable,
    fingerprint,
    unwatched,
)
from pipeline.detection.device import Machine
from pipeline.detection.network import Design, DetectionNetwork
from pipeline.detection.options import FitOptions, PredictOptions
from pipeline.detection.plan import Plan
from pipeline.detection.predictor import MaskPredictor
from pipeline.detection.training import Run, load, save, train, write_history
from pipeline.detection.weights import load_fitting
from pipeline.predictions import FEATURE_KINDS
from pipeline.progress import Progress, silent

FORMAT = "maskgrove-network-3"


@dataclass(frozen=True, slots=True)
class NetworkDetector:
    """Satisfies Detector: a network of some design, with a mask-IoU head and the paper's features."""

    design: Design

    @property
    def feature_kinds(self) -> tuple[str, ...]:
        return FEATURE_KINDS

    def fit(
        self,
        images: Sequence[AnnotatedImage],
        *,
        category_ids: Sequence[int],
        folder: Path,
        options: FitOptions,
        progress: Progress = silent,
        watch: Watch = unwatched,
    ) -> Training:
        check_learnable(images, category_ids)
        ids, weights = tuple(int(one) for one in category_ids), self.design.choose_weights(options.weights)
        plan = Plan.of(options, self.design, pretrained=weights != "none")
        start = (weights, str(options.start_from or ""))
        recipe = fingerprint(images, FORMAT, self.design, plan, ids, start)
        folder.mkdir(parents=True, exist_ok=True)
        model, checkpoint = folder / "model.pt", folder / "checkpoint.pt"
        trained = load(model)
        if trained is not None and trained.get("recipe") == recipe:
            progress(plan.iterations, plan.iterations, "Training")
            training = _training(model, trained, resumed_from=plan.iterations)
            for step in training.history:
                watch(step)
            return training
        machine = Machine.choose(options.hardware)
        with machine.threads_set(), torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            body, network = self._at_the_start(weights, options.start_from, len(ids))
            run = Run(network, plan, machine)
            run.restore(checkpoint, recipe)
            resumed_from = run.iteration
            train(
                run,
                images,
                category_ids=ids,
                checkpoint=checkpoint,
                recipe=recipe,
                every=options.checkpoint_every,
                progress=progress,
                watch=watch,
            )
        content = self._content(run, ids, body, recipe)
        save(content, model)
        write_history(run.history, folder / "history.json")
        checkpoint.unlink(missing_ok=True)
        return _training(model, content, resumed_from=resumed_from)

    def _at_the_start(
        self, weights: str, start_from: Path | None, classes: int
    ) -> tuple[str, DetectionNetwork]:
        """The body's name, and the network: random, pretrained, or of an earlier round."""
        if start_from is not None:
            return self._of_an_earlier_round(start_from, classes)
        body = self.design.body_of(weights)
        network = self.design.build(classes=classes, body=body)
        self.design.fill(network, weights)
        return body, network

    def _of_an_earlier_round(self, model: Path, classes: int) -> tuple[str, DetectionNetwork]:
        content = self._read(model)
        network = self.design.build(classes=classes, body=content["body"])
        load_fitting(network, content["network"])
        return content["body"], network

    def _content(self, run: Run, ids: tuple[int, ...], body: str, recipe: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "architecture": self.design.name,
            "recipe": recipe,
            "category_ids": list(ids),
            "short_side": run.plan.short_side,
            "body": body,
            "network": {name: value.cpu() for name, value in run.network.state_dict().items()},
            "history": [asdict(step) for step in run.history],
            "skipped": run.skipped,
        }

    def load(self, model: Path, *, options: PredictOptions) -> MaskPredictor:
        content = self._read(model)
        network = self.design.build(classes=len(content["category_ids"]), body=content["body"])
        network.load_state_dict(content["network"])
        return MaskPredictor(
            network,
            category_ids=tuple(content["category_ids"]),
            short_side=content["short_side"],
            options=options,
        )

    def _read(self, model: Path) -> dict[str, Any]:
        content = load(model)
        if content is None:
            raise InvalidModel(f"{model} is missing or damaged: train again.")
        found = (content.get("format"), content.get("architecture"))
        if found != (FORMAT, self.design.name):
            raise InvalidModel(f"{model} is of {found}, not of {(FORMAT, self.design.name)}: train again.")
        return content


def _training(model: Path, content: dict[str, Any], *, resumed_from: int) -> Training:
    history = tuple(Step(**step) for step in content["history"])
    return Training(model, history, content["skipped"], resumed_from)
