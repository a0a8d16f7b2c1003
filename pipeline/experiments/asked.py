"""What the command line asks of an experiment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.experiments.triplets import SHIPPED
from pipeline.progress import Progress, silent

HERE = Path("var/experiments")


def data_folder() -> Path:
    """Where real data lies: MASKGROVE_DATA, or var/data of the project."""
    project = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("MASKGROVE_DATA", project / "var" / "data"))


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `python -m pipeline.experiments`.

    Attributes
    ----------
    world : "simulated", "coco480", or the path of a file of predictions (`predicted.Predicted.save`)
    masks : of a simulated world
    classes, skew : of the large simulation; the r-th class has a share in proportion to r ** -skew
    linkage : a row of `pipeline.linkage.METHODS`
    model : mixtures to simulate with
    data, cache, out : folders of real data, of features of their masks, of results
    processes, keep : of the large simulation: None for one a core; a folder to go on from when started again
    """

    world: str = "simulated"
    masks: int = 100_000
    seed: int = 0
    linkage: str = "complete"
    classes: int = 80
    skew: float = 1.0
    model: Path = SHIPPED
    data: Path = field(default_factory=data_folder)
    cache: Path = HERE
    out: Path = HERE
    processes: int | None = None
    keep: Path | None = None
    progress: Progress = silent


@dataclass(frozen=True, slots=True)
class Experiment:
    """One figure or table of the paper.

    Attributes
    ----------
    title : what it shows
    measure : options -> numbers, as JSON has them; `world` and `masks` among them
    draw : (numbers, matplotlib figure) -> None; fills the figure
    rows : panels of the figure, one above the other
    """

    title: str
    measure: Callable[[Asked], dict[str, Any]]
    draw: Callable[[dict[str, Any], Any], None]
    rows: int = 1
