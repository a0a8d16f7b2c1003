"""Trees whose truth is known, and what a search makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Calibration, calibrate
from pipeline.decisions import ROUNDING, Rule, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.triplets import Triplets
from pipeline.linkage import linkage
from pipeline.metrics import MATCHED
from pipeline.progress import Progress, silent
from pipeline.sampling import leaf_keys
from pipeline.search import Answer, Decision, eligible, maximal, search
from pipeline.simulation import noisy_answers, oracle_answers
from pipeline.strategies import Knowledge


class FeaturesMissing(ValueError):
    """The world was grown without keeping its feature vectors."""


@dataclass(frozen=True, slots=True)
class World:
    """One tree per class, with the true IoU of every mask.

    Attributes
    ----------
    trees : one per class
    ious : per tree, (n,) float32 in leaf order
    features : per tree, (n, d + 1) float32 features and score in leaf order; empty unless they were kept
    """

    trees: tuple[Dendrogram, ...]
    ious: tuple[NDArray[np.float32], ...]
    features: tuple[NDArray[np.float32], ...] = ()

    @property
    def masks(self) -> int:
        return sum(tree.n for tree in self.trees)

    def only(self, index: int) -> World:
        """The world of one class."""
        at = slice(index, index + 1)
        return World(self.trees[at], self.ious[at], self.features[at])

    def correct(self, k_iou: float) -> list[NDArray[np.bool_]]:
        """Per tree, whether its masks are correct, in leaf order."""
        return [ious >= k_iou for ious in self.ious]

    def calibrated(self, thresholds: Thresholds) -> tuple[Calibration, Thresholds]:
        """The calibration that these trees give as held-out ones, and the thresholds with its K_pa."""
        marked = zip(self.trees, self.correct(thresholds.k_iou), strict=True)
        calibration = calibrate(marked, thresholds)
        return calibration, replace(thresholds, k_pa=calibration.k_pa)


def grow(
    parts: Iterable[Triplets],
    *,
    method: str = "complete",
    keep_features: bool = False,
    progress: Progress = silent,
    total: int = 0,
) -> World:
    """Cluster each class by features and scores, with the paper's distance."""
    trees, ious, features = [], [], []
    done = 0
    for part in parts:
        tree = Dendrogram.from_linkage(linkage(part.features, part.scores, method=method), part.scores)
        trees.append(tree)
        ious.append(part.ious[tree.order])
        if keep_features:
            features.append(np.column_stack([part.features, part.scores])[tree.order])
        done += tree.n
        progress(done, total or done, "Growing trees")
    return World(tuple(trees), tuple(ious), tuple(features))


def by_class(predicted: Predicted, *, fewest: int = 1) -> Iterator[Triplets]:
    """The predictions of each class that has at least `fewest`, in the order of the category ids."""
    for category, count in zip(*np.unique(predicted.categories, return_counts=True), strict=True):
        if count >= fewest:
            rows = predicted.categories == category
            yield Triplets(predicted.features[rows], predicted.scores[rows], predicted.ious[rows])


@dataclass(frozen=True, slots=True)
class Run:
    """What a search had reached after each of its d decisions; all (d,) and growing.

    Attributes
    ----------
    questions : answers given
    clusters : clusters annotated, whichever way
    accepted_clusters : clusters accepted
    accepted : masks accepted
    correct : of these, with IoU >= K_iou
    iou : sum of the IoUs of the accepted masks
    matched, matched_iou : number and sum of those with IoU > 0.5
    """

    questions: NDArray[np.int64]
    clusters: NDArray[np.int64]
    accepted_clusters: NDArray[np.int64]
    accepted: NDArray[np.int64]
    correct: NDArray[np.int64]
    iou: NDArray[np.float64]
    matched: NDArray[np.int64]
    matched_iou: NDArray[np.float64]

    @classmethod
    def of(cls, questions: NDArray[np.integer], gained: NDArray[np.float64]) -> Run:
        """The course of d decisions: (d,) questions for each, (d, 5) what each accepted, as `held` says."""
        masks, correct, iou, matched, matched_iou = gained.cumsum(axis=0).T
        return cls(
            questions=np.cumsum(questions, dtype=np.int64),
            clusters=np.arange(1, len(gained) + 1),
            accepted_clusters=np.cumsum(gained[:, 0] > 0),
            accepted=masks.astype(np.int64),
            correct=correct.astype(np.int64),
            iou=iou,
            matched=matched.astype(np.int64),
            matched_iou=matched_iou,
        )

    def when(self, *, accepted: float) -> int | None:
        """Index of the first decision with at least so many accepted masks; None without any."""
        at = int(np.searchsorted(self.accepted, accepted))
        return at if at < len(self.accepted) else None

    def precision(self, at: int = -1) -> float:
        return _ratio(self.correct, self.accepted, at)

    def quality(self, at: int = -1) -> float:
        """Mean IoU of the accepted masks, the paper's annotation quality."""
        return _ratio(self.iou, self.accepted, at)

    def sq(self, at: int = -1) -> float:
        """Mean IoU of the accepted masks that match an object."""
        return _ratio(self.matched_iou, self.matched, at)


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic], at: int) -> float:
    return float(part[at] / whole[at]) if len(whole) and whole[at] else float("nan")


def run(world: World, thresholds: Thresholds, **how: Unpack[How]) -> Run:
    """The course of a search, see `decided`."""
    return recorded(world, decided(world, thresholds, **how), thresholds)


class How(TypedDict, total=False):
    """The keywords of `decided`."""

    rule: str | Rule
    strategy: str
    calibration: Calibration | None
    seed: int
    accuracy: float
    reuse: bool
    budget: int | None
    believed: Thresholds | None


def decided(
    world: World,
    thresholds: Thresholds,
    *,
    rule: str | Rule = "curtailed",
    strategy: str = "best_first",
    calibration: Calibration | None = None,
    seed: int = 0,
    accuracy: float = 1.0,
    reuse: bool = True,
    budget: int | None = None,
    believed: Thresholds | None = None,
) -> list[Decision]:
    """Search a world with answers that are right at a rate of `accuracy`.

    `believed` are the thresholds that the strategy reckons with, where the search leaves sampling out.
    """
    correct = world.correct(thresholds.k_iou)
    known = [
        Knowledge(
            believed or thresholds, calibration, np.concatenate([[0.0], np.cumsum(ious, dtype=np.float64)])
        )
        for ious in world.ious
    ]
    return list(
        search(
            world.trees,
            crowd(correct, accuracy=accuracy, seed=seed),
            keys=[leaf_keys(tree.n, seed=seed * 1_000 + index) for index, tree in enumerate(world.trees)],
            thresholds=thresholds,
            strategy=strategy,
            rule=rule,
            known=known,
            budget=budget,
            reuse=reuse,
        )
    )


def crowd(correct: Sequence[NDArray[np.bool_]], *, accuracy: float, seed: int) -> Answer:
    """Workers of this accuracy; they err on other masks for another seed."""
    if accuracy == 1:
        return oracle_answers(correct)
    return noisy_answers(correct, rng=np.random.default_rng([seed, 7]), sensitivity=accuracy)


def recorded(world: World, decisions: Sequence[Decision], thresholds: Thresholds) -> Run:
    """The course of a search from its decisions."""
    gained = np.zeros((len(decisions), 5))
    by_tree: dict[int, list[int]] = {}
    for at, decision in enumerate(decisions):
        if decision.verdict is Verdict.ACCEPT:
            by_tree.setdefault(decision.tree, []).append(at)
    for index, rows in by_tree.items():
        nodes = np.array([decisions[row].cluster for row in rows])
        tree = world.trees[index]
        gained[rows] = held(world.ious[index], tree.lo[nodes], tree.hi[nodes], k_iou=thresholds.k_iou)
    return Run.of(np.array([decision.questions for decision in decisions], dtype=np.int64), gained)


def accepted_by_truth(
    tree: Dendrogram, ious: NDArray[np.float32], thresholds: Thresholds
) -> NDArray[np.int64]:
    """(m,) nodes that the paper's rule accepts when it knows every mask of them (N_s = ∞), in leaf order.

    A cluster is decided where it and none above it is of high or of low quality.
    """
    nodes = eligible(tree, thresholds)
    sums = np.concatenate([[0], np.cumsum(ious >= thresholds.k_iou)])
    yes, size = sums[tree.hi[nodes]] - sums[tree.lo[nodes]], tree.size(nodes)
    enough = np.ceil(thresholds.k_a * size - ROUNDING)
    high, low = yes >= enough, size - yes >= enough
    decided = maximal(tree, nodes[high | low])
    return decided[np.isin(decided, nodes[high])]


def held(
    ious: NDArray[np.float32], lo: NDArray[np.integer], hi: NDArray[np.integer], *, k_iou: float
) -> NDArray[np.float64]:
    """(m, 5) of the masks in each of m ranges: number, correct ones, sum of IoUs; of those with IoU > 0.5 the
    number and the sum of IoUs."""
    matching = ious > MATCHED
    found = np.empty((len(lo), 5))
    found[:, 0] = hi - lo
    for column, values in ((1, ious >= k_iou), (2, ious), (3, matching), (4, ious * matching)):
        sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        found[:, column] = sums[hi] - sums[lo]
    return found
