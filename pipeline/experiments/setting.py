"""What an experiment is done on: a world to search, one to calibrate on, and the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds
from pipeline.experiments import predicted, worlds
from pipeline.experiments.asked import Asked
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.triplets import SHIPPED, TripletModel
from pipeline.experiments.worlds import World
from pipeline.progress import Progress, silent

HELD_OUT = 10_000
FEWEST_CLUSTERED = 2


class NoData(ValueError):
    """The real images and predictions are not where they are expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A world and what is known of it.

    Attributes
    ----------
    name : what the world is, for titles
    world, held_out : searched, and calibrated on
    calibration, thresholds : from the held-out world, K_pa included
    drawn : masks of the initial set, whose drawing counts as human time
    searched : the predictions that the world was grown from, as `worlds.by_class` divides them; None for
        simulated ones
    """

    name: str
    world: World
    held_out: World
    calibration: Calibration
    thresholds: Thresholds
    drawn: int
    seed: int
    searched: Predicted | None = None

    @classmethod
    def of(
        cls,
        name: str,
        world: World,
        held_out: World,
        *,
        drawn: int,
        seed: int,
        searched: Predicted | None = None,
    ) -> Setting:
        calibration, thresholds = held_out.calibrated(Thresholds())
        return cls(name, world, held_out, calibration, thresholds, drawn, seed, searched)


def simulated(
    masks: int, *, seed: int, model: Path = SHIPPED, method: str = "complete", progress: Progress = silent
) -> Setting:
    """A world of `masks` simulated masks, and a held-out one of 10,000."""
    mixtures = TripletModel.load(model)
    return Setting.of(
        f"{masks:,} simulated masks, {method} linkage",
        worlds.grow(
            mixtures.sample(masks, seed=seed),
            method=method,
            keep_features=True,
            progress=progress,
            total=masks,
        ),
        worlds.grow(mixtures.sample(HELD_OUT, seed=1_000_000 + seed), method=method),
        drawn=10_000,
        seed=seed,
    )


def real(name: str, found: Predicted, *, seed: int, method: str = "complete") -> Setting:
    """Real predictions: half of the images to search, the other half to calibrate on."""
    images = np.random.default_rng(seed).permutation(found.all_images)
    half = images[: len(images) // 2]
    searched, held_out = found.on(half), found.on(images[len(images) // 2 :])
    grown = [
        worlds.grow(worlds.by_class(part, fewest=FEWEST_CLUSTERED), method=method, keep_features=True)
        for part in (searched, held_out)
    ]
    return Setting.of(f"{name}, {method} linkage", *grown, drawn=held_out.drawn, seed=seed, searched=searched)


def predictions(asked: Asked) -> Predicted:
    """The real predictions of a world that is not simulated.

    Raises
    ------
    NoData
        When they are not there.
    """
    if asked.world != "coco480":
        return Predicted.load(Path(asked.world))
    folder = asked.data / "coco480"
    if not (folder / "predictions.json").exists():
        raise NoData(
            f"{folder} holds no predictions.json: set MASKGROVE_DATA to the folder that holds coco480."
        )
    return predicted.read(
        folder, confidence=Thresholds().confidence, cache=asked.cache, progress=asked.progress
    )


def setting(asked: Asked) -> Setting:
    """The world that was asked for, grown."""
    if asked.world == "simulated":
        return simulated(
            asked.masks, seed=asked.seed, model=asked.model, method=asked.linkage, progress=asked.progress
        )
    name = Path(asked.world).stem
    return real(name, predictions(asked), seed=asked.seed, method=asked.linkage)


def on_setting(measure: Callable[[Setting], dict[str, Any]]) -> Callable[[Asked], dict[str, Any]]:
    """An experiment on a grown world: what is measured, preceded by what it was measured on."""

    def measured(asked: Asked) -> dict[str, Any]:
        grown = setting(asked)
        return {
            "world": grown.name,
            "masks": grown.world.masks,
            "k_pa": grown.thresholds.k_pa,
            **measure(grown),
        }

    return measured
