"""Rules and strategies against the paper's rule: questions asked, masks accepted, precision and SQ.

The rival follows the paper's text: best-first, N_s = 15 masks drawn anew for every cluster and all asked.
A contender is measured at its own end, and where it has accepted as many masks as the rival did at its end.
The authors' code pools the answers of a class; that rival, with nested samples, is looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.experiments.triplets import TripletModel
from pipeline.experiments.worlds import Run, World, grow, run

HELD_OUT = 10_000
_HELD_OUT_SEEDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to search.

    Attributes
    ----------
    k_a : share of correct masks that it aims at
    knows_accuracy : whether it is told how often workers are right
    reuse : whether answers serve all clusters that hold the mask
    """

    rule: str
    strategy: str = "best_first"
    k_a: float = 0.85
    knows_accuracy: bool = False
    reuse: bool = True

    @property
    def name(self) -> str:
        told = ", told accuracy" if self.knows_accuracy else ""
        return f"{self.rule}, {self.strategy}, K_a {self.k_a:g}{told}" + (
            "" if self.reuse else ", fresh samples"
        )


RIVAL = Contender("paper", reuse=False)
PRODUCT = Contender("sequential", "expected_yield", k_a=0.77, knows_accuracy=True)
"""What is new here, at the K_a that gives what the paper's rule gives at 0.85."""

POOLED = Contender("paper")

CONTENDERS = (
    RIVAL,
    POOLED,
    Contender("curtailed"),
    Contender("curtailed", "expected_yield"),
    *(
        Contender("sequential", "expected_yield", k_a=k_a, knows_accuracy=True)
        for k_a in (0.85, 0.79, 0.78, 0.77, 0.76)
    ),
)
WANTED_SHARE = 0.4
"""Of a rival's questions, at most so many for as many masks that are as good."""


@dataclass(frozen=True, slots=True)
class Result:
    """One contender on one world.

    Attributes
    ----------
    questions, accepted, precision, sq : at its end
    as_many : whether it came to accept as many masks as the rival
    ratio : questions up to there (else to its end) over the rival's
    ratio_precision, ratio_sq : precision and SQ there
    pooled_as_many, pooled_ratio : the same against the rival that pools answers
    """

    contender: str
    accuracy: float
    seed: int
    questions: int
    accepted: int
    precision: float
    sq: float
    as_many: bool
    ratio: float
    ratio_precision: float
    ratio_sq: float
    pooled_as_many: bool
    pooled_ratio: float


def compare(
    model: TripletModel,
    *,
    masks: int,
    seeds: Sequence[int],
    accuracies: Sequence[float],
    min_size: int | None,
    contenders: Sequence[Contender] = CONTENDERS,
    method: str = "complete",
    watch: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Every contender on the same worlds of `masks` simulated masks, one world a seed.

    K_pa and the likelihoods come from a held-out world of its own per seed, as on held-out images.
    """
    results = []
    for seed in seeds:
        world = grow(model.sample(masks, seed=seed), method=method)
        held_out = grow(model.sample(HELD_OUT, seed=_HELD_OUT_SEEDS + seed), method=method)
        for accuracy in accuracies:
            rivals = {
                rival: _searched(world, held_out, rival, accuracy, min_size, seed)
                for rival in (RIVAL, POOLED)
            }
            for contender in contenders:
                searched = rivals.get(contender) or _searched(
                    world, held_out, contender, accuracy, min_size, seed
                )
                results.append(_result(contender, accuracy, seed, searched, *rivals.values()))
                watch(results[-1])
    return results


def _searched(
    world: World, held_out: World, contender: Contender, accuracy: float, min_size: int | None, seed: int
) -> Run:
    thresholds = Thresholds(k_a=contender.k_a, min_size=min_size)
    if contender.knows_accuracy:
        thresholds = replace(thresholds, accuracy=accuracy)
    calibration, _ = held_out.calibrated(thresholds)
    # One K_pa for all, so that they search the same clusters.
    thresholds = replace(thresholds, k_pa=held_out.calibrated(Thresholds())[0].k_pa)
    return run(
        world,
        thresholds,
        rule=contender.rule,
        strategy=contender.strategy,
        calibration=calibration,
        seed=seed,
        accuracy=accuracy,
        reuse=contender.reuse,
    )


def _result(
    contender: Contender, accuracy: float, seed: int, searched: Run, rival: Run, pooled: Run
) -> Result:
    as_many, there = _as_many(searched, rival)
    as_pooled, at_pooled = _as_many(searched, pooled)
    return Result(
        contender=contender.name,
        accuracy=accuracy,
        seed=seed,
        questions=int(searched.questions[-1]),
        accepted=int(searched.accepted[-1]),
        precision=searched.precision(),
        sq=searched.sq(),
        as_many=as_many,
        ratio=float(searched.questions[there] / rival.questions[-1]),
        ratio_precision=searched.precision(there),
        ratio_sq=searched.sq(there),
        pooled_as_many=as_pooled,
        pooled_ratio=float(searched.questions[at_pooled] / pooled.questions[-1]),
    )


def _as_many(searched: Run, rival: Run) -> tuple[bool, int]:
    """Whether a search came to accept as many masks as a rival, and the index where it did, or its last."""
    at = searched.when(accepted=rival.accepted[-1])
    return at is not None, -1 if at is None else at


Row: TypeAlias = dict[str, float | str]


def summary(results: Sequence[Result]) -> list[Row]:
    """One row per accuracy and contender: means over the seeds, and the 5th percentile of the precision.

    `reaches` and `pooled_reaches` say whether in the mean it accepts as many masks as the rival, at no lower
    mean and 5th percentile of precision and no lower SQ, with at most 40 % of its questions.
    """
    rows: list[Row] = []
    groups = dict.fromkeys((result.accuracy, result.contender) for result in results)
    for accuracy, contender in groups:
        of = [r for r in results if (r.accuracy, r.contender) == (accuracy, contender)]
        means = {
            name: float(np.nanmean([getattr(r, name) for r in of]))
            for name in asdict(of[0])
            if name not in ("contender", "accuracy", "seed")
        }
        precisions = [r.precision for r in of]
        rows.append(
            {
                "accuracy": accuracy,
                "contender": contender,
                **means,
                "precision_5th_percentile": float(np.nanpercentile(precisions, 5)),
                "precision_error": float(np.nanstd(precisions) / np.sqrt(len(of))),
            }
        )
    for row in rows:
        for key, rival in (("reaches", RIVAL), ("pooled_reaches", POOLED)):
            row[key] = _reaches(row, _row(rows, row["accuracy"], rival))
    return rows


def _row(rows: Sequence[Row], accuracy: float | str, contender: Contender) -> Row | None:
    return next((r for r in rows if (r["accuracy"], r["contender"]) == (accuracy, contender.name)), None)


def _reaches(row: Row, rival: Row | None) -> bool:
    no_lower = ("accepted", "precision", "precision_5th_percentile", "sq")
    return (
        rival is not None
        and all(float(row[name]) >= float(rival[name]) for name in no_lower)
        and float(row["questions"]) <= WANTED_SHARE * float(rival["questions"])
    )
