"""In which order open clusters are asked about: each strategy is a sort key (Sec. 5.1, Searching the tree).

A priority depends on the tree and on what was known before the first answer, never on other open clusters, so
it is computed once, when a cluster opens, and can be stored. Larger is sooner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds, required
from pipeline.dendrogram import Dendrogram

Nodes: TypeAlias = NDArray[np.integer]
Priorities: TypeAlias = NDArray[np.float64]


NEEDS_TRUTH = (
    "The strategy 'oracle' goes by the masks' true IoUs, which only simulations know (python -m "
    "pipeline.experiments): choose 'expected_yield' for a project, or 'best_first', the paper's."
)


class MissingKnowledge(ValueError):
    """A strategy needs something that it was not given."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a strategy may use besides the tree.

    Attributes
    ----------
    thresholds : the campaign's
    calibration : likelihoods of quality given the mean score, from held-out images
    iou_sum : (n + 1,) float64 prefix sums of the true IoUs in leaf order, which simulations alone have
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    calibration: Calibration | None = None
    iou_sum: NDArray[np.float64] | None = None


NOTHING = Knowledge()


class Strategy(Protocol):
    """Sort key of open clusters."""

    def __call__(self, tree: Dendrogram, nodes: Nodes, known: Knowledge = NOTHING, /) -> Priorities:
        """(m,) nodes of the tree -> (m,) float64 priorities; larger is asked sooner."""


def breadth_first(tree: Dendrogram, nodes: Nodes, _: Knowledge = NOTHING) -> Priorities:
    """The fewest splits away from the root first."""
    return -tree.depth[nodes].astype(np.float64)


def depth_first(tree: Dendrogram, nodes: Nodes, _: Knowledge = NOTHING) -> Priorities:
    """Down the left child first: of disjoint clusters, the leftmost."""
    return -tree.lo[nodes].astype(np.float64)


def depth_first_by_score(tree: Dendrogram, nodes: Nodes, _: Knowledge = NOTHING) -> Priorities:
    """Down the child of the higher mean score first ("DFS with heuristics"): preorder of the swapped tree."""
    at = np.array(nodes, dtype=np.int64)
    before = np.zeros(len(at), dtype=np.int64)
    while len(climbing := np.flatnonzero(tree.parent[at] >= 0)):
        child = at[climbing]
        parent = tree.parent[child]
        left, right = tree.children(parent)
        sibling = left + right - child
        waits = (tree.mean(sibling) > tree.mean(child)) | (
            (tree.mean(sibling) == tree.mean(child)) & (sibling < child)
        )
        before[climbing] += 1 + waits * (2 * tree.size(sibling) - 1)
        at[climbing] = parent
    return -before.astype(np.float64)


def best_first(tree: Dendrogram, nodes: Nodes, _: Knowledge = NOTHING) -> Priorities:
    """The highest mean score S first, the paper's choice ("Heuristics only: Mask score")."""
    return np.asarray(tree.mean(nodes), dtype=np.float64)


def oracle(tree: Dendrogram, nodes: Nodes, known: Knowledge = NOTHING) -> Priorities:
    """The highest true mean IoU first: what best_first could reach with perfect scores (dashed in Fig. 6b).

    Raises
    ------
    MissingKnowledge
        When the true IoUs are not given.
    """
    if known.iou_sum is None:
        raise MissingKnowledge(NEEDS_TRUTH)
    lo, hi = tree.lo[nodes], tree.hi[nodes]
    return np.asarray((known.iou_sum[hi] - known.iou_sum[lo]) / (hi - lo), dtype=np.float64)


def expected_yield(tree: Dendrogram, nodes: Nodes, known: Knowledge = NOTHING) -> Priorities:
    """The most masks accepted per question first: P_h(S) x size over the questions expected.

    Asking ends after the answers that curtailing needs: as many yes as K_a requires of N_s in a cluster of
    high quality, the fewest that settle a split in any other. Without a calibration, S stands in for P_h(S).
    """
    scores = np.asarray(tree.mean(nodes), dtype=np.float64)
    seen = known.calibration is not None and any(known.calibration.nodes)
    high = known.calibration.high(scores) if known.calibration is not None and seen else scores
    sizes = tree.size(nodes).astype(np.float64)
    to_accept = required(known.thresholds.n_s, known.thresholds.k_a)
    to_split = 2 * (known.thresholds.n_s - to_accept + 1)
    questions = np.minimum(high * to_accept + (1 - high) * to_split, sizes)
    return (high + _NEVER_HOPELESS) * sizes / questions


_NEVER_HOPELESS = 1e-3
"""Added to P_h, for scores at which no held-out cluster was of high quality: larger is still sooner there."""

DEFAULT_STRATEGY = "expected_yield"

STRATEGIES: dict[str, Strategy] = {
    "breadth_first": breadth_first,
    "depth_first": depth_first,
    "depth_first_by_score": depth_first_by_score,
    "best_first": best_first,
    "expected_yield": expected_yield,
    "oracle": oracle,
}

OF_PROJECTS = tuple(name for name, strategy in STRATEGIES.items() if strategy is not oracle)
"""Those that can be gone by where nobody knows the truth."""
