"""How likely a cluster of mean score S is of high or low quality, by held-out images (Sec. 4, Fig. 4).

Held-out images have ground truth, so every node of a tree over their predictions has a known quality Q. The
threshold K_pa under which clusters are split without asking follows from it, whatever a detector's scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.imagining import cohesion_of

BINS = 20
SMALLEST = 5
"""Nodes of fewer masks say too little about Q to calibrate with."""
FEWEST_NODES = 100
FEWEST_HIGH = 10
RARE = 0.05
"""What "P(Q >= K_a | S < K_pa) is about 0" is taken to mean."""
PAPER_K_PA = 0.7


@dataclass(frozen=True, slots=True)
class Calibration:
    """Likelihoods of quality by mean score S, and the threshold chosen from them.

    Attributes
    ----------
    edges : (b + 1,) bounds of the bins of S, from 0 to 1
    nodes : (b,) clusters seen in each bin
    p_high : (b,) P_h, share of clusters with Q >= K_a, made non-decreasing in S
    p_low : (b,) P_l, share of clusters with Q <= 1 - K_a, made non-increasing in S
    quality : (b,) mean Q, made non-decreasing in S
    k_pa : the threshold to use
    cohesion : how much clusters of a tree differ in quality beyond what their scores say, as
        `pipeline.imagining` has it
    warning : why `k_pa` is the paper's 0.7 instead of a calibrated one; empty otherwise
    """

    edges: tuple[float, ...]
    nodes: tuple[int, ...]
    p_high: tuple[float, ...]
    p_low: tuple[float, ...]
    quality: tuple[float, ...]
    k_pa: float
    warning: str = ""
    cohesion: float = 0.0

    def high(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """P_h at mean scores S, interpolated between the middles of the bins."""
        return self._at(scores, self.p_high)

    def low(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """P_l at mean scores S, interpolated between the middles of the bins."""
        return self._at(scores, self.p_low)

    def expected_quality(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean Q at mean scores S, interpolated between the middles of the bins."""
        return self._at(scores, self.quality)

    def _at(self, scores: NDArray[np.floating], values: tuple[float, ...]) -> NDArray[np.float64]:
        edges = np.asarray(self.edges)
        return np.asarray(np.interp(scores, (edges[1:] + edges[:-1]) / 2, values), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """The same as plain lists and numbers."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Calibration:
        """What `to_json` gave."""
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stored.items()}
        return cls(**fields)


def calibrate(
    trees: Iterable[tuple[Dendrogram, NDArray[np.bool_]]],
    thresholds: Thresholds,
    *,
    bins: int = BINS,
    smallest: int = SMALLEST,
) -> Calibration:
    """Calibrate on trees of held-out predictions.

    Parameters
    ----------
    trees : pairs of a tree and the (n,) correctness (IoU >= K_iou) of its masks in leaf order
    smallest : nodes of fewer masks are left out

    Notes
    -----
    K_pa is the largest bound of a bin for which both hold: among the clusters of lower S at most 5 % are of
    high quality, and at most 5 % of all clusters of high quality have lower S. The first is the paper's
    P(Q >= K_a | S < K_pa) ~ 0; the second keeps a weak model, whose clusters are hardly ever of high
    quality, from being given a threshold that nothing passes.
    """
    held_out = list(trees)
    scores, qualities, _ = clusters_of(held_out, smallest=smallest)
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    high, low = qualities >= thresholds.k_a - 1e-9, qualities <= 1 - thresholds.k_a + 1e-9
    nodes = np.bincount(which, minlength=bins)
    highs = np.bincount(which, weights=high, minlength=bins)
    lows = np.bincount(which, weights=low, minlength=bins)
    sums = np.bincount(which, weights=qualities, minlength=bins)
    warning = _too_little(len(scores), int(highs.sum()))
    found = Calibration(
        edges=tuple(edges.tolist()),
        nodes=tuple(nodes.tolist()),
        p_high=_rising(highs, nodes),
        p_low=tuple(1 - p for p in _rising(nodes - lows, nodes)),
        quality=_rising(sums, nodes),
        k_pa=PAPER_K_PA if warning else _threshold(edges, nodes, highs),
        warning=warning,
    )
    return replace(found, cohesion=_cohesion(held_out, found, smallest))


def _cohesion(
    held_out: list[tuple[Dendrogram, NDArray[np.bool_]]], calibration: Calibration, smallest: int
) -> float:
    chances = [calibration.expected_quality(np.diff(tree.score_sum)) for tree, _ in held_out]
    return cohesion_of(
        [tree for tree, _ in held_out],
        chances,
        [correct for _, correct in held_out],
        smallest=smallest,
        rng=np.random.default_rng(0),
    )


def clusters_of(
    trees: Iterable[tuple[Dendrogram, NDArray[np.bool_]]], *, smallest: int = SMALLEST
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean score S, quality Q and size of every node of at least `smallest` masks; all (m,).

    Parameters
    ----------
    trees : pairs of a tree and the (n,) correctness of its masks in leaf order
    """
    scores: list[NDArray[np.float64]] = [np.empty(0)]
    qualities: list[NDArray[np.float64]] = [np.empty(0)]
    sizes: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for tree, correct in trees:
        if len(correct) != tree.n:
            raise ValueError(f"A tree of {tree.n} masks came with {len(correct)} marks of correctness.")
        nodes = np.flatnonzero(tree.hi - tree.lo >= smallest)
        sums = np.concatenate([[0], np.cumsum(correct)])
        scores.append(np.asarray(tree.mean(nodes), dtype=np.float64))
        qualities.append((sums[tree.hi[nodes]] - sums[tree.lo[nodes]]) / tree.size(nodes))
        sizes.append(tree.size(nodes).astype(np.int64))
    return np.concatenate(scores), np.concatenate(qualities), np.concatenate(sizes)


def _rising(sums: NDArray[Any], weights: NDArray[Any]) -> tuple[float, ...]:
    """Non-decreasing means sums / weights closest in weighted squares; empty bins continue their neighbours.

    Pools adjacent violators: blocks (sum, weight, bins) merge while a mean falls below the one before.
    """
    blocks: list[tuple[float, float, int]] = []
    for total, weight in zip(sums.tolist(), weights.tolist(), strict=True):
        block = (total, weight, 1)
        while blocks and (
            block[1] == 0 or blocks[-1][1] == 0 or block[0] * blocks[-1][1] < blocks[-1][0] * block[1]
        ):
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return tuple(m for s, w, count in blocks for m in [s / w if w else 0.0] * count)


def _too_little(nodes: int, high: int) -> str:
    if nodes >= FEWEST_NODES and high >= FEWEST_HIGH:
        return ""
    return (
        f"Only {nodes} held-out clusters, {high} of them of high quality (needed: {FEWEST_NODES} and "
        f"{FEWEST_HIGH}): K_pa is the paper's {PAPER_K_PA}. Annotate more held-out images to calibrate."
    )


def _threshold(edges: NDArray[Any], nodes: NDArray[Any], highs: NDArray[Any]) -> float:
    below = np.concatenate([[0], np.cumsum(nodes)])
    high_below = np.concatenate([[0.0], np.cumsum(highs)])
    harmless = (high_below <= RARE * below) & (high_below <= RARE * high_below[-1])
    return float(edges[np.flatnonzero(harmless)[-1]])
