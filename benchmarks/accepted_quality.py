"""How often the interval of the accepted masks' quality holds the truth, and how far the estimate is off.

    python benchmarks/accepted_quality.py
    python benchmarks/accepted_quality.py --masks 50000 --worlds 20 --json quality.json

Worlds are drawn from mixtures fitted on real predictions (Sec. 5.2 of the paper) and searched with a budget.
The rival takes the answers at their word: the share of yes of each accepted cluster, with Jeffreys' interval.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.decisions import Thresholds, Verdict
from pipeline.experiments.setting import HELD_OUT
from pipeline.experiments.triplets import SHIPPED, TripletModel
from pipeline.experiments.worlds import World, grow
from pipeline.quality import Asked, accepted_quality
from pipeline.sampling import leaf_keys
from pipeline.search import Decision, search
from pipeline.shares import PRIOR, Share
from pipeline.simulation import noisy_answers
from pipeline.strategies import Knowledge

CASES = (("sequential", 1.0), ("sequential", 0.95), ("curtailed", 1.0), ("curtailed", 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=20_000, help="simulated masks of a world")
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--budget", type=int, default=3_000, help="questions")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    model = TripletModel.load(SHIPPED)
    calibration, thresholds = grow(model.sample(HELD_OUT, seed=1_000_000)).calibrated(Thresholds())
    worlds = [grow(model.sample(asked.masks, seed=seed)) for seed in range(asked.worlds)]
    rows = []
    print(f"{'rule':<12}{'accuracy':>9}{'truth':>8}  {'estimate':<16}{'held':>6}{'bias':>9}{'width':>8}")
    for rule, accuracy in CASES:
        known = Knowledge(thresholds, calibration)
        found = [searched(world, known, rule, accuracy, asked.budget, n) for n, world in enumerate(worlds)]
        for name, estimate in (("corrected", corrected), ("at their word", at_their_word)):
            rows.append(row(rule, accuracy, name, [(estimate(one, accuracy), true) for one, true in found]))
            told = rows[-1]
            print(
                f"{rule:<12}{accuracy:>9.2f}{told['truth']:>8.3f}  {name:<16}"
                f"{told['held']:>6.0%}{told['bias']:>+9.4f}{told['width']:>8.4f}"
            )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


def searched(
    world: World, known: Knowledge, rule: str, accuracy: float, budget: int, seed: int
) -> tuple[Asked, float]:
    """What was asked of a world, and the share of its accepted masks that are right."""
    truths = world.correct(known.thresholds.k_iou)
    crowd = noisy_answers(truths, rng=np.random.default_rng(seed), sensitivity=accuracy)
    accepted = [np.zeros(tree.n, dtype=bool) for tree in world.trees]
    refused: list[tuple[int, int]] = []

    def answer(tree: int, positions: np.ndarray) -> np.ndarray:
        said = crowd(tree, positions)
        refused.extend((tree, int(at)) for at in positions[~said])
        return said

    keys = [leaf_keys(tree.n, seed=seed + n) for n, tree in enumerate(world.trees)]
    decisions = list(
        search(world.trees, answer, keys=keys, thresholds=known.thresholds, rule=rule, budget=budget,
               known=[known] * len(world.trees))
    )  # fmt: skip
    for decision in decisions:
        if decision.verdict is Verdict.ACCEPT:
            tree = world.trees[decision.tree]
            accepted[decision.tree][tree.lo[decision.cluster] : tree.hi[decision.cluster]] = True
    for tree, at in refused:
        accepted[tree][at] = False
    right = sum(int(truth[mine].sum()) for truth, mine in zip(truths, accepted, strict=True))
    return asked_of(world, decisions, accepted), right / max(1, sum(int(mine.sum()) for mine in accepted))


def asked_of(world: World, decisions: Sequence[Decision], accepted: Sequence[np.ndarray]) -> Asked:
    """The evidence on all clusters, and what of the accepted ones counts."""
    yes, no = (np.array([getattr(d.evidence, side) for d in decisions]) for side in ("yes", "no"))
    kept = np.array([
        int(accepted[d.tree][world.trees[d.tree].lo[d.cluster] : world.trees[d.tree].hi[d.cluster]].sum())
        if d.verdict is Verdict.ACCEPT else 0
        for d in decisions
    ])  # fmt: skip
    known = np.minimum(yes, kept)
    rest = kept - known
    return Asked(yes, no, np.ones_like(yes), known, rest, rest.astype(np.float64) ** 2)


def corrected(asked: Asked, accuracy: float) -> Share:
    """As the overview has it."""
    found = accepted_quality(asked, sensitivity=accuracy, specificity=accuracy)
    assert found is not None
    return found


def at_their_word(asked: Asked, _accuracy: float) -> Share:
    """Each accepted cluster by the share of yes in its own sample."""
    a, b = asked.yes + PRIOR, asked.no + PRIOR
    mean, masks = a / (a + b), float((asked.known + asked.rest).sum())
    value = float(asked.known.sum() + asked.rest @ mean) / masks
    spread = float(asked.rest_squared @ (mean * (1 - mean) / (a + b + 1))) / masks**2
    strength = value * (1 - value) / spread - 1
    low, high = beta.ppf([0.025, 0.975], value * strength, (1 - value) * strength)
    return Share(value, float(low), float(high))


def row(
    rule: str, accuracy: float, name: str, found: Sequence[tuple[Share, float]]
) -> dict[str, float | str]:
    """Means over the worlds."""
    return {
        "rule": rule,
        "accuracy": accuracy,
        "estimate": name,
        "truth": float(np.mean([true for _, true in found])),
        "held": float(np.mean([share.low <= true <= share.high for share, true in found])),
        "bias": float(np.mean([share.value - true for share, true in found])),
        "width": float(np.mean([share.width for share, _ in found])),
    }


if __name__ == "__main__":
    main()
