"""python -m pipeline.experiments.detectors NAME: train, measure, write NAME.json and draw NAME.png."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.experiments.detectors import features, initial_sets, learning, sparse
from pipeline.experiments.detectors.trial import Trial

HEIGHT, WIDTH = 4.2, 14.0
ROLES = ("initial", "heldout", "pool")


@dataclass(frozen=True, slots=True)
class DetectorExperiment:
    """One experiment.

    Attributes
    ----------
    title : what it shows
    measure : Trial -> numbers, as JSON has them
    draw : (numbers, matplotlib figure) -> None; fills the figure
    summarise : numbers -> some lines
    """

    title: str
    measure: Callable[[Trial], dict[str, Any]]
    draw: Callable[[dict[str, Any], Any], None]
    summarise: Callable[[dict[str, Any]], str]


EXPERIMENTS = {
    "learning": DetectorExperiment(
        "What a detector learns (Sec. 4)", learning.measure, learning.draw, learning.summarise
    ),
    "features": DetectorExperiment(
        "Features to cluster by (Fig. 6a)", features.measure, features.draw, features.summarise
    ),
    "initial-sets": DetectorExperiment(
        "Size of the initial set (Fig. 7)", initial_sets.measure, initial_sets.draw, initial_sets.summarise
    ),
    "sparse": DetectorExperiment(
        "Training on sparse annotations (Sec. 4)", sparse.measure, sparse.draw, sparse.summarise
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment as the command line says."""
    asked = _parser().parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    experiment, trial = EXPERIMENTS[asked.name], _trial(asked)
    numbers = experiment.measure(trial)
    facts = {
        "detector": trial.detector,
        "scenes": trial.images,
        "options": trial.options,
        "seed": trial.seed,
    }
    stem = asked.out / f"{asked.name}-{asked.detector}"
    stem.with_suffix(".json").write_text(json.dumps(facts | numbers))
    title = f"{experiment.title}: {trial.detector}, {trial.images['initial']} annotated scenes"
    _draw(experiment, numbers, title, stem.with_suffix(".png"))
    took = time.perf_counter() - began
    sys.stdout.write(f"{experiment.summarise(numbers)}\n{stem}.json, {stem}.png in {took:.0f} s\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.experiments.detectors", description=__doc__)
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("--detector", default="maskrcnn-small", help="a name in DETECTORS")
    parser.add_argument(
        "--images", type=int, nargs=3, default=[110, 200, 300], metavar=("INITIAL", "HELDOUT", "POOL")
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="of the training, such as iterations=200",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("var/experiments"), help="for scenes and models")
    parser.add_argument("--out", type=Path, default=Path("var/experiments"), help="for JSON and figures")
    return parser


def _trial(asked: argparse.Namespace) -> Trial:
    options = dict(option.split("=", 1) for option in asked.option)
    return Trial(
        folder=asked.cache,
        images=dict(zip(ROLES, asked.images, strict=True)),
        detector=asked.detector,
        options={name: json.loads(value) for name, value in options.items()},
        seed=asked.seed,
        progress=_told,
    )


def _told(done: int, total: int, message: str = "") -> None:
    """One line on the terminal that is written over; none where nobody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{message} {done} of {total}\033[K" + ("\n" if done == total else ""))


def _draw(experiment: DetectorExperiment, numbers: dict[str, Any], title: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    experiment.draw(numbers, figure)
    figure.suptitle(title)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
