"""How soon gold stops a worker, and how often it stops the wrong one: standings over many reviews, simulated.

Every review is a chance to err, so what counts is not one bound but the whole course. Each worker answers so
much gold in every HIT and is reviewed after it, as `annotation_site.people.standing` does.

    python benchmarks/standing.py
    python benchmarks/standing.py --json standing.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import beta

ACCURACIES = (0.98, 0.95, 0.90, 0.85, 0.80, 0.75, 0.70, 0.60, 0.50)
STOP_BELOW, WATCH_BELOW, LEAST = 0.75, 0.85, 10
CONFIDENCE = 0.95
"""The defaults of TrustPolicy and standing.CONFIDENCE."""


def course(accuracy: float, hits: int, gold: int, workers: int, seed: int) -> dict[str, float]:
    """What becomes of workers of one accuracy."""
    answered = gold * np.arange(1, hits + 1)
    right = np.random.default_rng(seed).binomial(gold, accuracy, (workers, hits)).cumsum(axis=1)
    wrong = answered - right
    upper = np.where(wrong > 0, beta.ppf(CONFIDENCE, right + 1, np.maximum(wrong, 1)), 1.0)
    lower = np.where(right > 0, beta.ppf(1 - CONFIDENCE, np.maximum(right, 1), wrong + 1), 0.0)
    judged = answered >= LEAST
    bad, good = (upper < STOP_BELOW) & judged, (lower >= STOP_BELOW) & judged
    return {
        "accuracy": accuracy,
        "stopped": float(bad.any(axis=1).mean()),
        "gold_until_stopped": _middle(answered, bad),
        "watched": float(((upper < WATCH_BELOW) & judged).any(axis=1).mean()),
        "proven": float(good.any(axis=1).mean()),
        "gold_until_proven": _middle(answered, good),
    }


def _middle(answered: np.ndarray, happened: np.ndarray) -> float:
    """The median of gold answers until it happened, among those to whom it did."""
    ever = happened.any(axis=1)
    return float(np.median(answered[happened[ever].argmax(axis=1)])) if ever.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hits", type=int, default=60)
    parser.add_argument("--gold", type=int, default=5, help="in every HIT")
    parser.add_argument("--workers", type=int, default=20_000, help="of each accuracy")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    rows = [course(one, asked.hits, asked.gold, asked.workers, seed) for seed, one in enumerate(ACCURACIES)]
    print(f"{asked.hits} HITs with {asked.gold} gold each; ever within them, and gold answers until then")
    print(f"{'accuracy':>8} {'stopped':>8} {'gold':>5} {'watched':>8} {'proven':>8} {'gold':>5}")
    for row in rows:
        print(
            f"{row['accuracy']:>8.2f} {row['stopped']:>8.2%} {row['gold_until_stopped']:>5.0f} "
            f"{row['watched']:>8.1%} {row['proven']:>8.1%} {row['gold_until_proven']:>5.0f}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
