"""What each K_pa would bring: questions, accepted masks and their precision, for a grid of them at once.

`pipeline.planning` runs the search itself, one threshold and one imagined truth at a time. Here the
expectation is taken instead, so that a tree of a million masks and a hundred thresholds cost a pass over its
nodes: a possible truth gives every cluster a quality, a table says what a rule makes of a quality, and what
is expected of a cluster follows from what is expected of its children.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Calibration
from pipeline.compiled import compiled
from pipeline.decisions import RULES, Evidence, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.imagining import imagine
from pipeline.predictive import yes_share

GRID: NDArray[np.float64] = np.round(np.linspace(0.0, 1.0, 101), 2)
"""The thresholds that are looked at."""

QUALITIES = 64
"""Steps of quality in the tables."""
ENOUGH_MASKS = 200_000
"""Imagined truths are added until so many masks were imagined: a large tree averages over itself."""
MOST_DRAWS = 12
RATIOS = (1.0, 1.5, 3.0, 1e9)
"""How many times as large as its sample a cluster is, in steps; a sample of almost all varies little."""
NEGLIGIBLE = 2e-3
"""Probability of an answer count below which it is not followed any further."""
MOST_ANSWERS = 256
"""Larger samples are taken for ones of this size: few clusters have them, and their outcome is as clear."""
LOOKS = 40
"""Beyond the first answers a rule is asked after each 40th part of its sample only."""
MOST_WORK = 20_000_000
"""Nodes times thresholds of a tree: beyond, thresholds are looked at in larger steps and interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Expected of a campaign at its end, for each threshold of `GRID`; all (g,) float64, added up over trees.

    Attributes
    ----------
    questions : answers to masks' questions, without gold and with one vote each
    accepted : masks
    correct : of those
    clusters : that people are asked about
    """

    questions: NDArray[np.float64]
    accepted: NDArray[np.float64]
    correct: NDArray[np.float64]
    clusters: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Outlook:
        """Of no trees."""
        return cls(*np.zeros((4, len(GRID))))

    def __add__(self, other: Outlook) -> Outlook:
        return Outlook(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def precision(self) -> NDArray[np.float64]:
        """(g,) expected share of correct masks among the accepted; NaN where none is."""
        share = np.full(len(GRID), np.nan)
        np.divide(self.correct, self.accepted, out=share, where=self.accepted > 0.5)
        return share


def outlook(
    tree: Dendrogram,
    calibration: Calibration,
    thresholds: Thresholds,
    *,
    rule: str,
    accuracy: float = 1.0,
    rng: np.random.Generator,
) -> Outlook:
    """What is to be expected of one tree at each threshold; `thresholds.k_pa` is not looked at.

    Answers of a cluster that splits are known below it, as far as its masks lie in clusters that open.

    Parameters
    ----------
    accuracy : how often workers are right
    """
    nodes = np.flatnonzero(tree.hi - tree.lo >= thresholds.smallest)
    if not len(nodes):
        return Outlook.nothing()
    sizes = tree.size(nodes).astype(np.int64)
    which, tables = _tables(sizes, rule, thresholds, accuracy)
    grid = GRID[:: _step(len(nodes))]
    # S > K_pa: how many thresholds of the grid lie below the mean score.
    opens = np.searchsorted(grid, tree.mean(nodes), side="left").astype(np.int64)
    chances = calibration.expected_quality(np.diff(tree.score_sum))
    draws = int(np.clip(ENOUGH_MASKS // tree.n, 1, MOST_DRAWS))
    deepest = int(tree.depth[nodes].max()) + 1
    found = np.zeros((4, len(grid)))
    for _ in range(draws):
        truth = imagine(tree, chances, cohesion=calibration.cohesion, rng=rng)
        sums = np.concatenate([[0], np.cumsum(truth)])
        quality = (sums[tree.hi[nodes]] - sums[tree.lo[nodes]]) / sizes
        found += _expected(nodes, sizes, opens, quality, which, tables, len(grid), deepest)
    return Outlook(*(np.interp(GRID, grid, row) for row in found / draws))


def _step(nodes: int) -> int:
    """Which thresholds of the grid are looked at: each, or every 2nd or 5th."""
    return next((step for step in (1, 2) if nodes * len(GRID[::step]) <= MOST_WORK), 5)


def _tables(
    sizes: NDArray[np.int64], rule: str, thresholds: Thresholds, accuracy: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(m,) sizes of clusters -> (m,) their table, and (t, 4, q + 1) the tables; see `_table`."""
    own = Thresholds(
        k_a=thresholds.k_a, n_s=thresholds.n_s, min_size=thresholds.min_size, accuracy=thresholds.accuracy
    )
    distinct, inverse = np.unique(sizes, return_inverse=True)
    samples = _few(np.array([RULES[rule].sample_size(int(size), own) for size in distinct]), own.n_s)
    ratios = np.searchsorted(RATIOS, distinct / samples, side="right") - 1
    kinds, of = np.unique(np.column_stack([samples, ratios]), axis=0, return_inverse=True)
    tables = [_table(rule, own, int(sample), RATIOS[ratio], accuracy) for sample, ratio in kinds.tolist()]
    return of.reshape(-1)[inverse].astype(np.int64), np.stack(tables)


def _few(samples: NDArray[np.int64], n_s: int) -> NDArray[np.int64]:
    """Samples beyond twice N_s rounded to two in a doubling, so that one table serves many clusters."""
    rounded = np.round(2 ** (np.round(2 * np.log2(samples)) / 2)).astype(np.int64)
    return np.minimum(np.where(samples > 2 * n_s, rounded, samples), MOST_ANSWERS)


@lru_cache(maxsize=4096)
def _table(
    rule: str, thresholds: Thresholds, sample: int, ratio: float, accuracy: float
) -> NDArray[np.float64]:
    """(4, q + 1) by a cluster's quality: chance of acceptance, of a split, questions, questions if it splits.

    The last is the mean of the questions times whether it splits. Answers are drawn without replacement from
    a cluster `ratio` times as large as its sample.
    """
    deciding = RULES[rule].decide
    share = np.array([yes_share(step / QUALITIES, accuracy) for step in range(QUALITIES + 1)])
    size = ratio * sample
    chance = np.zeros((sample + 1, QUALITIES + 1))  # by the number of yes so far
    chance[0] = 1.0
    found = np.zeros((4, QUALITIES + 1))
    for asked in range(sample + 1):
        likely = np.flatnonzero(chance[: asked + 1].max(axis=1) > NEGLIGIBLE)
        if not len(likely):
            break
        looks = asked <= LOOKS or asked % (sample // LOOKS) == 0 or asked == sample
        for yes in likely.tolist() if looks else ():
            verdict = deciding(Evidence(yes, asked - yes, sample, sample), thresholds)
            if verdict is not Verdict.ASK:
                _settle(found, chance[yes], asked, verdict)
                chance[yes] = 0
        if asked < sample:
            chance = _answered(chance, likely, asked, share, size)
    found.flags.writeable = False
    return found


def _settle(found: NDArray[np.float64], chance: NDArray[np.float64], asked: int, verdict: Verdict) -> None:
    """Add what a verdict after so many answers contributes to a table."""
    found[2] += chance * asked
    if verdict is Verdict.ACCEPT:
        found[0] += chance
    elif verdict is Verdict.SPLIT:
        found[1] += chance
        found[3] += chance * asked


def _answered(
    chance: NDArray[np.float64],
    likely: NDArray[np.int64],
    asked: int,
    share: NDArray[np.float64],
    size: float,
) -> NDArray[np.float64]:
    """The chances of each number of yes after one answer more."""
    further = np.zeros_like(chance)
    says_yes = np.clip((share * size - likely[:, None]) / (size - asked), 0.0, 1.0)
    further[likely] += chance[likely] * (1 - says_yes)
    further[likely + 1] += chance[likely] * says_yes
    return further


@compiled
def _expected(
    nodes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    opens: NDArray[np.int64],
    quality: NDArray[np.float64],
    which: NDArray[np.int64],
    tables: NDArray[np.float64],
    thresholds: int,
    deepest: int,
) -> NDArray[np.float64]:
    """(4, g) questions, accepted and correct masks, and clusters, from the last node in preorder to the root.

    In this order a node comes right after its children: what is expected of them lies on top of a stack, the
    left one's uppermost. The fifth row of an entry is how many of its masks lie in clusters that open.
    """
    stack = np.zeros((deepest + 2, 5, thresholds))
    begins = np.zeros(deepest + 2, np.int64)  # the node of each entry
    height = 0
    for at in range(len(nodes) - 1, -1, -1):
        node, size = nodes[at], sizes[at]
        children = 0
        while height - children > 0 and begins[height - 1 - children] < node + 2 * size - 1 and children < 2:
            children += 1
        if children == 2:
            stack[height - 2] += stack[height - 1]
        if children == 0:
            stack[height] = 0.0
            height += 1
        if children == 2:
            height -= 1
        here = stack[height - 1]
        begins[height - 1] = node
        table = tables[which[at]]
        share = quality[at]
        step = int(share * (table.shape[1] - 1) + 0.5)
        accepts, splits, asked, asked_then = table[0, step], table[1, step], table[2, step], table[3, step]
        for g in range(opens[at]):
            known = asked_then * here[4, g] / size
            here[0, g] = asked + splits * here[0, g] - min(known, splits * here[0, g])
            here[1, g] = accepts * size + splits * here[1, g]
            here[2, g] = accepts * size * share + splits * here[2, g]
            here[3, g] = 1 + splits * here[3, g]
            here[4, g] = size
    total = np.zeros((4, thresholds))
    for entry in range(height):
        total += stack[entry, :4]
    return total
