"""Precision of accepted masks and questions for each: one vote, majorities, votes where they matter.

    python benchmarks/aggregation.py
    python benchmarks/aggregation.py --masks 100000 --seeds 5 --json aggregation.json

Worlds are drawn from mixtures fitted on real predictions (Sec. 5.2 of the paper) and searched to their end by
the default rule; every worker errs independently. The rival is one vote a question, as in the paper.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.decisions import Thresholds
from pipeline.experiments.opinions import RIVALS, Yield, compare, mixed, uniform
from pipeline.experiments.setting import HELD_OUT
from pipeline.experiments.triplets import SHIPPED, TripletModel
from pipeline.experiments.worlds import grow


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=50_000, help="simulated masks of a world")
    parser.add_argument("--seeds", type=int, default=3, help="worlds")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    began = time.perf_counter()
    model = TripletModel.load(SHIPPED)
    _, thresholds = grow(model.sample(HELD_OUT, seed=1_000_000)).calibrated(Thresholds())
    worlds = [grow(model.sample(asked.masks, seed=seed)) for seed in range(asked.seeds)]
    crowds = {f"{accuracy:.0%}": uniform(accuracy) for accuracy in (0.98, 0.95, 0.90, 0.85)}
    crowds["half 98%, half 80%"] = mixed([0.98, 0.80])
    rows = [_row(*key, found) for key, found in compare(worlds, thresholds, crowds).items()]
    print(f"{asked.masks:,} masks, {asked.seeds} worlds, K_pa {thresholds.k_pa:.2f}: means over worlds")
    _print(rows)
    print(f"{time.perf_counter() - began:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


def _row(crowd: str, rival: str, found: list[Yield]) -> dict[str, float | str]:
    return {
        "crowd": crowd,
        "rival": rival,
        "precision": float(np.mean([one.precision for one in found])),
        "accepted": float(np.mean([one.accepted for one in found])),
        "questions": float(np.mean([one.questions for one in found])),
        "per_mask": float(sum(one.questions for one in found) / sum(one.accepted for one in found)),
    }


def _print(rows: list[dict[str, float | str]]) -> None:
    heads = ("precision", "accepted", "questions", "per mask")
    print(f"{'workers':<20} {'rule':<18} " + " ".join(f"{head:>9}" for head in heads) + f" {'ratio':>6}")
    single = {row["crowd"]: row["per_mask"] for row in rows if row["rival"] == next(iter(RIVALS))}
    for row in rows:
        print(
            f"{row['crowd']:<20} {row['rival']:<18} {row['precision']:>9.3f} {row['accepted']:>9,.0f} "
            f"{row['questions']:>9,.0f} {row['per_mask']:>9.4f} "
            f"{row['per_mask'] / single[row['crowd']]:>6.2f}"
        )


if __name__ == "__main__":
    main()
