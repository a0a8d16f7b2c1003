"""What an experiment is done on: a world to search, one to calibrate on, and the parameters."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds
from pipeline.experiments import predicted, worlds
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
    """

    name: str
    world: World
    held_out: World
    calibration: Calibration
    thresholds: Thresholds
    drawn: int
    seed: int

    @classmethod
    def of(cls, name: str, world: World, held_out: World, *, drawn: int, seed: int) -> Setting:
        calibration, thresholds = held_out.calibrated(Thresholds())
        return cls(name, world, held_out, calibration, thresholds, drawn, seed)


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


def coco480(
    *, data: Path, cache: Path, seed: int, method: str = "complete", progress: Progress = silent
) -> Setting:
    """Real predictions: half of the images to search, the other half to calibrate on."""
    folder = data / "coco480"
    if not (folder / "predictions.json").exists():
        raise NoData(
            f"{folder} holds no predictions.json: set MASKGROVE_DATA to the folder that holds coco480."
        )
    real = predicted.read(folder, confidence=Thresholds().confidence, cache=cache, progress=progress)
    images = np.random.default_rng(seed).permutation(np.unique(real.images))
    searched = np.isin(real.images, images[: len(images) // 2])
    halves = [
        worlds.grow(
            worlds.by_class(real.of(rows), fewest=FEWEST_CLUSTERED), method=method, keep_features=True
        )
        for rows in (searched, ~searched)
    ]
    return Setting.of(f"coco480, {method} linkage", *halves, drawn=real.drawn // 2, seed=seed)


def data_folder() -> Path:
    """Where real data lies: MASKGROVE_DATA, or ../shared/data beside the project."""
    project = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("MASKGROVE_DATA", project.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Experiment:
    """One figure or table of the paper.

    Attributes
    ----------
    title : what it shows
    measure : Setting -> numbers, as JSON has them
    draw : (numbers, matplotlib figure) -> None; fills the figure
    """

    title: str
    measure: Callable[[Setting], dict[str, Any]]
    draw: Callable[[dict[str, Any], Any], None]
