"""What trees are worth: masks accepted at equal questions, by linkage, and in blocks against exact.

    python benchmarks/linkage_quality.py
    python benchmarks/linkage_quality.py --masks 60000 --seeds 10 --json quality.json

First table: complete, average and Ward linkage on real predictions (`coco480`: a pretrained
network's masks on COCO photos, with mask and crop descriptors as features), best-first search with
answers from the annotations, on as many random subsets of four fifths of the images as there are
seeds. Second table: exact trees against trees in blocks, one class of simulated masks fitted on the
same predictions. Differences are paired: mean over seeds ± standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.decisions import Thresholds  # noqa: E402
from pipeline.dendrogram import Dendrogram  # noqa: E402
from pipeline.experiments import predicted, triplets  # noqa: E402
from pipeline.experiments.worlds import World, by_class, grow, run  # noqa: E402
from pipeline.linkage import METHODS, linkage  # noqa: E402
from pipeline.linkage.partitioned import partitioned_linkage  # noqa: E402

DATA = Path(os.environ.get("MASKGROVE_DATA", ROOT.parent / "shared" / "data"))
SETTINGS = {
    "K_pa 0.5, clusters of any size": Thresholds(k_pa=0.5, min_size=1),
    "K_pa 0.7, clusters of any size": Thresholds(k_pa=0.7, min_size=1),
    "K_pa 0.7, clusters of 15 and more": Thresholds(k_pa=0.7),
}
QUESTIONS = (0.05, 0.1, 0.2)
"""Budgets, as shares of all masks."""

Figures = NDArray[np.float64]


def figures(world: World, thresholds: Thresholds, seed: int) -> Figures:
    """Shares of all masks accepted at each budget and at the end, questions at the end, precision."""
    course = run(world, thresholds, rule="curtailed", seed=seed)
    accepted, asked = np.append(0, course.accepted), np.append(0, course.questions)
    at = [np.searchsorted(asked, share * world.masks, "right") - 1 for share in QUESTIONS]
    return np.array([*(accepted[[*at, -1]] / world.masks), asked[-1] / world.masks, course.precision()])


def linkages(cache: Path, seeds: int) -> Iterator[tuple[str, dict[str, Figures]]]:
    whole = predicted.read(DATA / "coco480", confidence=0.2, cache=cache)
    images = np.unique(whole.images)
    worlds = []
    for seed in range(seeds):
        kept = np.random.default_rng(seed).choice(images, 4 * len(images) // 5, replace=False)
        part = whole.of(np.isin(whole.images, kept))
        worlds.append({method: grow(by_class(part, fewest=2), method=method) for method in METHODS})
    for name, thresholds in SETTINGS.items():
        yield (
            f"{len(whole):,} real masks, {name}",
            {
                method: np.array([figures(one[method], thresholds, seed) for seed, one in enumerate(worlds)])
                for method in METHODS
            },
        )


def blocks(masks: int, seeds: int) -> Iterator[tuple[str, dict[str, Figures]]]:
    model = max(triplets.TripletModel.load(triplets.SHIPPED).classes, key=lambda one: one.share)
    found: dict[str, list[Figures]] = {}
    for seed in range(seeds):
        part = model.sample(masks, np.random.default_rng([seed, 99]))
        trees = {"exact": linkage(part.features, part.scores, exact_up_to=masks)}
        for block in (4096, 1024):
            trees[f"blocks of {block}"] = partitioned_linkage(
                part.features, part.scores, method="complete", seed=seed, block=block
            )
        for name, merges in trees.items():
            tree = Dendrogram.from_linkage(merges, part.scores)
            world = World((tree,), (part.ious[tree.order],))
            found.setdefault(name, []).append(figures(world, Thresholds(), seed))
    yield f"{masks:,} simulated masks of one class", {name: np.array(rows) for name, rows in found.items()}


def table(title: str, found: dict[str, Figures]) -> dict[str, Any]:
    """Print and return means, and paired differences from the first row."""
    seeds = len(next(iter(found.values())))
    print(f"\n{title}, {seeds} seeds: share of all masks accepted at a budget of questions per mask")
    heads = [*(f"{share:g}" for share in QUESTIONS), "at the end", "questions", "precision"]
    print(f"{'':16}" + "".join(f"{head:>22}" for head in heads))
    base = next(iter(found.values()))
    rows = {}
    for name, values in found.items():
        apart = values - base
        error = apart.std(axis=0, ddof=1) / np.sqrt(seeds)
        cells = zip(values.mean(axis=0), apart.mean(axis=0), error, strict=True)
        print(f"{name:16}" + "".join(f"{f'{mean:.3f} ({by:+.3f} ±{se:.3f})':>22}" for mean, by, se in cells))
        rows[name] = {
            head: {"mean": float(m), "difference": float(d), "standard_error": float(e)}
            for head, m, d, e in zip(heads, values.mean(axis=0), apart.mean(axis=0), error, strict=True)
        }
    return {"title": title, "seeds": seeds, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=10_000, help="simulated masks of the second table")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "experiments", help="of the descriptors")
    chosen = parser.parse_args()
    tables = []
    if (DATA / "coco480").exists():
        tables += [table(*found) for found in linkages(chosen.cache, chosen.seeds)]
    else:
        print(f"No real predictions under {DATA}: set MASKGROVE_DATA to compare linkages on them.")
    tables += [table(*found) for found in blocks(chosen.masks, chosen.seeds)]
    if chosen.json:
        chosen.json.write_text(json.dumps(tables, indent=2) + "\n")


if __name__ == "__main__":
    main()
