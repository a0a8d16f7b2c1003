"""python -m pipeline.experiments NAME: measure, write NAME.json and draw NAME.png."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipeline.experiments.asked import HERE, Asked, Experiment, data_folder
from pipeline.experiments.predicted import NotPredictions
from pipeline.experiments.registry import EXPERIMENTS
from pipeline.experiments.setting import NoData, predictions
from pipeline.experiments.terminal import shown_progress
from pipeline.experiments.triplets import SHIPPED, TooFewMasks, fit
from pipeline.linkage import METHODS

HEIGHT, WIDTH = 4.2, 14.0


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment as the command line says."""
    options = vars(_parser().parse_args(arguments))
    name = options.pop("name")
    with shown_progress(name) as progress:
        asked = Asked(**options, progress=progress)
        try:
            said = _fitted(asked) if name == "fit" else _carried_out(name, asked)
        except (NoData, NotPredictions, TooFewMasks) as error:
            raise SystemExit(f"{name}: {error}") from error
    sys.stdout.write(f"{said}\n")


def _fitted(asked: Asked) -> str:
    found = predictions(asked)
    fit(found.features, found.scores, found.ious, found.categories).save(asked.model)
    return f"{asked.model}: mixtures fitted on {len(found):,} predictions"


def _carried_out(name: str, asked: Asked) -> str:
    began = time.perf_counter()
    experiment = EXPERIMENTS[name]
    numbers = {"seed": asked.seed, **experiment.measure(asked)}
    asked.out.mkdir(parents=True, exist_ok=True)
    stem = asked.out / f"{name}-{Path(asked.world).stem}"
    stem.with_suffix(".json").write_text(json.dumps(numbers))
    _draw(experiment, numbers, stem.with_suffix(".png"))
    return f"{stem}.json, {stem}.png in {time.perf_counter() - began:.0f} s"


def _parser() -> argparse.ArgumentParser:
    usual = {field.name: field.default for field in fields(Asked)}
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.experiments", description=__doc__, epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("name", choices=[*EXPERIMENTS, "fit"], metavar="NAME")
    parser.add_argument(
        "--world",
        default=usual["world"],
        help="simulated, coco480, or the file of a project that export_predictions wrote",
    )
    parser.add_argument("--masks", type=int, default=usual["masks"], help="of a simulated world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--linkage", choices=METHODS, default=usual["linkage"])
    parser.add_argument("--classes", type=int, default=usual["classes"], help="of `large`")
    parser.add_argument("--skew", type=float, default=usual["skew"], help="of the classes of `large`")
    parser.add_argument("--processes", type=int, help="of `large`; by itself one a core")
    parser.add_argument("--keep", type=Path, help="of `large`: a folder to go on from when started again")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED, help="mixtures that `fit` writes and worlds use"
    )
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder that holds coco480")
    parser.add_argument("--cache", type=Path, default=HERE, help="for features of masks")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of JSON and figures")
    return parser


def _epilog() -> str:
    width = max(map(len, EXPERIMENTS))
    lines = [f"  {name:{width}}  {experiment.title}" for name, experiment in EXPERIMENTS.items()]
    return "\n".join(["experiments:", *lines, f"  {'fit':{width}}  Fit mixtures on real predictions"])


def _draw(experiment: Experiment, numbers: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * experiment.rows), layout="constrained")
    experiment.draw(numbers, figure)
    figure.suptitle(f"{experiment.title}: {numbers['world']}")
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
