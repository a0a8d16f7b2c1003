"""What trees are worth: masks accepted at equal questions, by linkage, and in blocks against exact.

    python benchmarks/linkage_quality.py linkages --seeds 24 --figure docs/images/linkages.png
    python benchmarks/linkage_quality.py blocks --masks 20000 60000 --seeds 10 --json blocks.json

`linkages` compares complete, average and Ward linkage on real predictions: `coco480` (a pretrained network's
masks on COCO photos, with mask and crop descriptors as features) and `scenes` (what the small detector
predicts on generated scenes, with its own features). `blocks` compares exact trees with trees in blocks on
both, and on simulated masks of one class. Every seed draws two thirds of the images to search and leaves the
others to calibrate on; answers come from the annotations.

Figures of a seed are taken at equal questions: at a quarter, half and all of what the first row asked in the
end, and the mean over that whole range. Differences from the first row are paired: mean over seeds ± standard
error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import detected  # noqa: E402
from detected import Judged  # noqa: E402

from pipeline.decisions import Thresholds  # noqa: E402
from pipeline.dendrogram import Dendrogram  # noqa: E402
from pipeline.experiments import predicted, triplets  # noqa: E402
from pipeline.experiments.asked import data_folder  # noqa: E402
from pipeline.experiments.triplets import Triplets  # noqa: E402
from pipeline.experiments.worlds import Run, World, run  # noqa: E402
from pipeline.linkage import METHODS, linkage  # noqa: E402
from pipeline.linkage.partitioned import partitioned_linkage  # noqa: E402

Merge = Callable[[Triplets], NDArray[np.float64]]
Share = NDArray[np.float64]

POINTS = 100
CALIBRATED_ON = 10_000
"""Simulated masks, for a calibration."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """How clusters are asked about."""

    rule: str
    strategy: str
    thresholds: Thresholds

    def __str__(self) -> str:
        return f"{self.rule}, {self.strategy}, clusters from {self.thresholds.smallest}"


CAMPAIGNS = (
    Campaign("sequential", "expected_yield", Thresholds()),
    Campaign("sequential", "expected_yield", Thresholds(min_size=5)),
    Campaign("curtailed", "expected_yield", Thresholds()),
    Campaign("curtailed", "best_first", Thresholds()),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """Masks to search and masks to calibrate on, a part per class."""

    searched: list[Triplets]
    held_out: list[Triplets]


@dataclass(frozen=True, slots=True)
class Curves:
    """Of one world, seed by seed.

    Attributes
    ----------
    accepted, correct : name -> (seeds, POINTS) shares of all masks, at equal questions
    precision, questions : name -> (seeds,) at the end; questions per mask
    budget : (seeds,) questions per mask that the last point stands for
    """

    accepted: dict[str, Share]
    correct: dict[str, Share]
    precision: dict[str, Share]
    questions: dict[str, Share]
    budget: Share


def real(name: str, cache: Path) -> Judged:
    """The predictions of a world, read or made."""
    if name == "scenes":
        return detected.read(cache=cache)
    found = predicted.read(data_folder() / "coco480", confidence=Thresholds().confidence, cache=cache)
    return Judged(**{column: getattr(found, column) for column in Judged.__slots__})


def halves(whole: Judged, seed: int) -> Pool:
    images = np.random.default_rng(seed).permutation(np.unique(whole.images))
    searched = np.isin(whole.images, images[: 2 * len(images) // 3])
    return Pool(whole.by_class(searched), whole.by_class(~searched))


def simulated(masks: int, seed: int) -> Pool:
    """Masks of the largest class of the mixtures that ship."""
    model = max(triplets.TripletModel.load(triplets.SHIPPED).classes, key=lambda one: one.share)
    parts = [model.sample(n, np.random.default_rng([seed, n])) for n in (masks, CALIBRATED_ON)]
    return Pool([parts[0]], [parts[1]])


def grown(parts: list[Triplets], merge: Merge) -> World:
    trees = [Dendrogram.from_linkage(merge(part), part.scores) for part in parts]
    return World(tuple(trees), tuple(part.ious[tree.order] for part, tree in zip(parts, trees, strict=True)))


def exact(part: Triplets, *, method: str = "complete") -> NDArray[np.float64]:
    return linkage(part.features, part.scores, method=method, exact_up_to=len(part.scores))


def blocked(part: Triplets, *, block: int) -> NDArray[np.float64]:
    return partitioned_linkage(part.features, part.scores, method="complete", seed=0, block=block)


def searched(world: World, held_out: World, campaign: Campaign, seed: int) -> Run:
    calibration, thresholds = held_out.calibrated(campaign.thresholds)
    return run(
        world, thresholds, rule=campaign.rule, strategy=campaign.strategy, calibration=calibration, seed=seed
    )


def measured(pools: Iterator[Pool], merges: Mapping[str, Merge]) -> dict[Campaign, Curves]:
    """Search the pools, one a seed, with trees of every kind in every campaign."""
    seeds: dict[Campaign, list[dict[str, Run]]] = {campaign: [] for campaign in CAMPAIGNS}
    masks = []
    for seed, pool in enumerate(pools):
        worlds = {
            name: (grown(pool.searched, merge), grown(pool.held_out, merge)) for name, merge in merges.items()
        }
        masks.append(next(iter(worlds.values()))[0].masks)
        for campaign, found in seeds.items():
            found.append({name: searched(*both, campaign, seed) for name, both in worlds.items()})
        print(f"\rseed {seed}", end="", file=sys.stderr, flush=True)
    return {campaign: curves(found, masks) for campaign, found in seeds.items()}


def curves(seeds: list[dict[str, Run]], masks: list[int]) -> Curves:
    names = list(seeds[0])
    budgets = [int(max(found[names[0]].questions[-1:], default=0)) for found in seeds]

    def at_equal_questions(name: str, quantity: str) -> Share:
        rows = [
            reached(found[name], quantity, budget) / n
            for found, budget, n in zip(seeds, budgets, masks, strict=True)
        ]
        return np.array(rows)

    ends = {name: [found[name].questions[-1:].sum() for found in seeds] for name in names}
    return Curves(
        accepted={name: at_equal_questions(name, "accepted") for name in names},
        correct={name: at_equal_questions(name, "correct") for name in names},
        precision={name: np.array([found[name].precision() for found in seeds]) for name in names},
        questions={name: np.array(asked) / masks for name, asked in ends.items()},
        budget=np.array(budgets) / masks,
    )


def reached(course: Run, quantity: str, budget: int) -> Share:
    """(POINTS,) masks after so many questions, from budget / POINTS to the whole budget."""
    asked = np.linspace(0, budget, POINTS + 1)[1:]
    at = np.searchsorted(course.questions, asked, "right")
    return np.append(0, getattr(course, quantity))[at].astype(np.float64)


def table(title: str, found: Curves) -> dict[str, Any]:
    """Print and return means, and paired differences from the first row."""
    columns: dict[str, dict[str, Share]] = {
        "at a quarter": {name: rows[:, POINTS // 4 - 1] for name, rows in found.accepted.items()},
        "at half": {name: rows[:, POINTS // 2 - 1] for name, rows in found.accepted.items()},
        "at all": {name: rows[:, -1] for name, rows in found.accepted.items()},
        "mean": {name: rows.mean(axis=1) for name, rows in found.accepted.items()},
        "mean, correct": {name: rows.mean(axis=1) for name, rows in found.correct.items()},
        "precision": found.precision,
        "questions": found.questions,
    }
    print(f"\n{title}, {len(found.budget)} seeds: accepted share of all masks at equal questions")
    print(f"{'':16}" + "".join(f"{head:>24}" for head in columns))
    first, rows = next(iter(found.accepted)), {}
    for name in found.accepted:
        rows[name] = {head: paired(values[name], values[first]) for head, values in columns.items()}
        cells = (f"{c['mean']:.4f} ({c['difference']:+.4f} ±{c['error']:.4f})" for c in rows[name].values())
        print(f"{name:16}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
    return {"title": title, "seeds": len(found.budget), "rows": rows}


def paired(values: Share, base: Share) -> dict[str, float]:
    apart = (values - base)[np.isfinite(values - base)]
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else float("nan")
    return {
        "mean": float(np.nanmean(values)) if np.isfinite(values).any() else float("nan"),
        "difference": float(apart.mean()) if len(apart) else float("nan"),
        "error": float(error),
    }


def draw(worlds: Mapping[str, Curves], path: Path) -> None:
    """A panel per world: accepted share of all masks against questions per mask, with standard errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(worlds), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(worlds)))
    for panel, (title, found) in zip(panels, worlds.items(), strict=True):
        at = np.linspace(0, found.budget.mean(), POINTS + 1)[1:]
        base = next(iter(found.accepted.values()))
        for name, rows in found.accepted.items():
            mean, error = rows.mean(axis=0), (rows - base).std(axis=0, ddof=1) / np.sqrt(len(rows))
            (line,) = panel.plot(at, mean, label=name)
            panel.fill_between(at, mean - error, mean + error, color=line.get_color(), alpha=0.2)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("questions per mask")
        panel.set_ylabel("accepted share of all masks")
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(path, dpi=110)


def linkages(asked: argparse.Namespace) -> list[dict[str, Any]]:
    merges: dict[str, Merge] = {method: partial(exact, method=method) for method in METHODS}
    tables, drawn = [], {}
    for world in asked.worlds:
        whole = real(world, asked.cache)
        found = measured((halves(whole, seed) for seed in range(asked.seeds)), merges)
        tables += [table(f"{len(whole):,} masks of {world}; {one}", rows) for one, rows in found.items()]
        drawn[f"{world}: {CAMPAIGNS[0]}"] = found[CAMPAIGNS[0]]
    if asked.figure:
        draw(drawn, asked.figure)
    return tables


def blocks(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Blocks of a third and a tenth of a real world's largest class; of `asked.blocks` where masks abound."""
    tables = []
    for world in asked.worlds:
        whole = real(world, asked.cache)
        largest = int(np.unique(whole.categories, return_counts=True)[1].max()) * 2 // 3
        merges: dict[str, Merge] = {"exact": exact}
        merges |= {f"of {n}": partial(blocked, block=n) for n in (largest // 3, largest // 10)}
        found = measured((halves(whole, seed) for seed in range(asked.seeds)), merges)
        tables += [table(f"{len(whole):,} masks of {world}; {one}", rows) for one, rows in found.items()]
    for masks in asked.masks:
        merges = {"exact": exact} | {f"of {n:,}": partial(blocked, block=n) for n in asked.blocks}
        found = measured((simulated(masks, seed) for seed in range(asked.seeds)), merges)
        tables += [table(f"{masks:,} simulated masks; {one}", rows) for one, rows in found.items()]
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", nargs="?", choices=["linkages", "blocks"], default="linkages")
    parser.add_argument("--worlds", nargs="*", choices=["coco480", "scenes"], default=["coco480"])
    parser.add_argument("--masks", type=int, nargs="*", default=[10_000], help="simulated (blocks)")
    parser.add_argument(
        "--blocks", type=int, nargs="+", default=[4096, 2048, 1024], help="most masks in each"
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--figure", type=Path, help="draw the linkages there")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "experiments", help="of features")
    asked = parser.parse_args()
    if "coco480" in asked.worlds and not (data_folder() / "coco480").exists():
        print(f"No real predictions under {data_folder()}: set MASKGROVE_DATA to compare on them.")
        asked.worlds = [world for world in asked.worlds if world != "coco480"]
    tables = {"linkages": linkages, "blocks": blocks}[asked.question](asked)
    if asked.json:
        asked.json.write_text(json.dumps(tables, indent=2) + "\n")


if __name__ == "__main__":
    main()
