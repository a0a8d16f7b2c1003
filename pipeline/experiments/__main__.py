"""python -m pipeline.experiments NAME: measure, write NAME.json and draw NAME.png."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from pipeline.experiments import clusters, parameters, predicted, rivals, searching
from pipeline.experiments.setting import Experiment, Setting, coco480, data_folder, simulated
from pipeline.experiments.triplets import SHIPPED, fit
from pipeline.linkage import METHODS

EXPERIMENTS = {
    "clusters": Experiment("Scores of masks and of clusters (Fig. 4)", clusters.measure, clusters.draw),
    "searching": Experiment("Order of the search (Fig. 6b)", searching.compare_orders, searching.draw),
    "selecting": Experiment("What is left unasked (Fig. 6c)", searching.compare_selections, searching.draw),
    "parameters": Experiment("N_s, K_a and K_iou (Sec. 5.2)", parameters.measure, parameters.draw),
    "rivals": Experiment("Against other ways (Fig. 8, Sec. 5.1)", rivals.measure, rivals.draw),
}
HEIGHT, WIDTH = 4.2, 14.0


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment as the command line says."""
    asked = _parser().parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.name == "fit":
        real = predicted.read(asked.data / "coco480", confidence=0.2, cache=asked.cache)
        fit(real.features, real.scores, real.ious, real.categories).save(asked.model)
        return
    began = time.perf_counter()
    setting = _setting(asked)
    experiment = EXPERIMENTS[asked.name]
    numbers = {
        "world": setting.name,
        "seed": setting.seed,
        "masks": setting.world.masks,
        "k_pa": setting.thresholds.k_pa,
        **experiment.measure(setting),
    }
    stem = asked.out / f"{asked.name}-{asked.world}"
    stem.with_suffix(".json").write_text(json.dumps(numbers))
    _draw(experiment, setting, numbers, stem.with_suffix(".png"))
    sys.stdout.write(f"{stem}.json, {stem}.png in {time.perf_counter() - began:.0f} s\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.experiments", description=__doc__)
    parser.add_argument("name", choices=[*EXPERIMENTS, "fit"])
    parser.add_argument("--world", choices=["simulated", "coco480"], default="simulated")
    parser.add_argument("--masks", type=int, default=100_000, help="of a simulated world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--linkage", choices=METHODS, default="complete")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED, help="mixtures that `fit` writes and worlds use"
    )
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder that holds coco480")
    parser.add_argument("--cache", type=Path, default=Path("var/experiments"), help="for features of masks")
    parser.add_argument(
        "--out", type=Path, default=Path("var/experiments"), help="folder of JSON and figures"
    )
    return parser


def _setting(asked: argparse.Namespace) -> Setting:
    if asked.world == "coco480":
        return coco480(data=asked.data, cache=asked.cache, seed=asked.seed, method=asked.linkage)
    return simulated(asked.masks, seed=asked.seed, model=asked.model, method=asked.linkage)


def _draw(experiment: Experiment, setting: Setting, numbers: dict[str, object], path: Path) -> None:
    from matplotlib.figure import Figure

    tall = 2 if experiment.draw is rivals.draw else 1
    figure = Figure(figsize=(WIDTH, HEIGHT * tall), layout="constrained")
    experiment.draw(numbers, figure)
    figure.suptitle(f"{experiment.title}: {setting.name}")
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
