"""How a training goes: its options with what the network was tuned for, its rates, and whose turn it is.

Everything random follows from the seed and the number of the iteration, so a run that was interrupted goes on
exactly as if it had not been.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.network import Design
from pipeline.detection.options import FitOptions


@dataclass(frozen=True, slots=True)
class Plan:
    """How a training goes, every choice made; hardware is no part of it."""

    iterations: int
    batch_size: int
    learning_rate: float
    short_side: int
    seed: int
    decay: float
    body_rate: float
    adaptive: bool
    ignored_overlap: float
    ignored_score: float
    complete_share: float
    scales: tuple[float, float]
    light: float

    @classmethod
    def of(cls, options: FitOptions, design: Design, *, pretrained: bool = False) -> Plan:
        usual = design.learning_rate * (1.0 if pretrained else design.random_rate)
        return cls(
            iterations=options.iterations or design.iterations,
            batch_size=options.batch_size or design.batch_size,
            learning_rate=options.learning_rate or usual,
            short_side=options.short_side or design.short_side,
            seed=options.seed,
            decay=design.decay,
            body_rate=design.body_rate if pretrained else 1.0,
            adaptive=design.adaptive,
            ignored_overlap=options.ignored_overlap,
            ignored_score=options.ignored_score,
            complete_share=options.complete_share,
            scales=design.scales,
            light=design.light,
        )

    def rate(self, iteration: int) -> float:
        """Learning rate at an iteration from 0: up from a 25th over a fifth of them, then down a cosine."""
        warm = max(1, self.iterations // 5)
        if iteration < warm:
            return self.learning_rate * (1 + 24 * iteration / warm) / 25
        along = (iteration - warm) / max(1, self.iterations - warm)
        return self.learning_rate * max(1e-3, (1 + math.cos(math.pi * along)) / 2)

    def batch(self, iteration: int, complete: int, sparse: int) -> list[tuple[bool, int]]:
        """The images of an iteration: whether sparse, and which of that many.

        Complete ones take their share of all batches, at least `complete_share`; of either kind every image
        comes once before any comes again, in an order of the seed's.
        """
        share = Fraction(complete, complete + sparse)
        if complete and sparse:
            share = max(share, Fraction(self.complete_share).limit_denominator(1000))
        first = iteration * self.batch_size
        chosen = []
        for position in range(first, first + self.batch_size):
            before, after = math.floor(position * share), math.floor((position + 1) * share)
            is_sparse = after == before
            turn, images = (position - before, sparse) if is_sparse else (before, complete)
            epoch, place = divmod(turn, images)
            chosen.append((is_sparse, int(_order(self.seed, epoch, images, is_sparse)[place])))
        return chosen


def _order(seed: int, epoch: int, images: int, is_sparse: bool) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 4 if is_sparse else 1, epoch]).permutation(images)
