"""Algorithm 1: which clusters are asked about, and what the decisions on them make of a tree (Sec. 4).

Everything is derived from the tree and the decisions taken so far, so the same functions serve simulations,
the live campaign and the replay of a recorded one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.decisions import DEFAULT_RULE, RULES, Evidence, Rule, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.sampling import redrawn, sample
from pipeline.strategies import DEFAULT_STRATEGY, STRATEGIES, Knowledge, Strategy

Answer: TypeAlias = Callable[[int, NDArray[np.int64]], NDArray[np.bool_]]
"""(index of the tree, (k,) leaf positions) -> (k,) bool: does each mask outline its object correctly?"""

UNANSWERED = -1


@dataclass(frozen=True, slots=True)
class Decision:
    """A fact: what became of a cluster, and on which evidence.

    Attributes
    ----------
    tree, cluster : index of the tree, node of the tree
    verdict : ACCEPT, REJECT or SPLIT
    evidence : the answers among the cluster's own sample
    questions : answers that were asked for this decision, the others being known from clusters above
    """

    tree: int
    cluster: int
    verdict: Verdict
    evidence: Evidence
    questions: int


def eligible(tree: Dendrogram, thresholds: Thresholds) -> NDArray[np.int64]:
    """(k,) nodes with S > K_pa and at least `thresholds.smallest` masks, in preorder: all that may open."""
    nodes = np.flatnonzero(tree.hi - tree.lo >= thresholds.smallest)
    return nodes[tree.mean(nodes) > thresholds.k_pa]


def maximal(tree: Dendrogram, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m,) of the nodes, which are in preorder, those with no ancestor among them, in leaf order.

    Notes
    -----
    In preorder, a node follows its ancestors, and everything else before it lies to its left: it is maximal
    when it starts at or after all earlier ends.
    """
    ends = np.maximum.accumulate(tree.hi[nodes])
    kept = np.ones(len(nodes), dtype=bool)
    kept[1:] = tree.lo[nodes[1:]] >= ends[:-1]
    return nodes[kept]


def candidates(
    tree: Dendrogram,
    thresholds: Thresholds,
    *,
    below: int | None = None,
    among: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """(m,) maximal nodes with S > K_pa and at least `thresholds.smallest` masks, in leaf order.

    Nodes with S <= K_pa are thereby split without asking.

    Parameters
    ----------
    below : look strictly below this node only; None looks at the whole tree
    among : what `eligible` gave, for whoever asks more than once; None finds it again
    """
    nodes = eligible(tree, thresholds) if among is None else among
    if below is not None:
        inside = tree.subtree(below)
        nodes = nodes[slice(*np.searchsorted(nodes, (inside.start + 1, inside.stop)))]
    return maximal(tree, nodes)


def open_clusters(
    tree: Dendrogram, thresholds: Thresholds, decided: Mapping[int, Verdict]
) -> NDArray[np.int64]:
    """(m,) candidates without a decision, in leaf order, once the decisions `node -> verdict` are applied."""
    among = eligible(tree, thresholds)
    waiting = list(maximal(tree, among)[::-1])
    still_open = []
    while waiting:
        node = int(waiting.pop())
        verdict = decided.get(node, Verdict.ASK)
        if verdict is Verdict.ASK:
            still_open.append(node)
        elif verdict is Verdict.SPLIT:
            waiting.extend(candidates(tree, thresholds, below=node, among=among)[::-1])
    return np.array(still_open, dtype=np.int64)


def intervals(
    tree: Dendrogram, decisions: Iterable[Decision], verdict: Verdict = Verdict.ACCEPT
) -> NDArray[np.int64]:
    """(m, 2) leaf ranges [lo, hi) that the decisions accept (or reject, or split), in leaf order."""
    nodes = np.sort(np.array([d.cluster for d in decisions if d.verdict is verdict], dtype=np.int64))
    return np.column_stack([tree.lo[nodes], tree.hi[nodes]]).astype(np.int64)


def evidence_of(positions: NDArray[np.int64], answers: NDArray[np.int8], *, size: int) -> Evidence:
    """The evidence on a cluster of `size` masks whose own sample is `positions`.

    `answers` holds 1 (yes), 0 (no) or UNANSWERED for every leaf of the tree.
    """
    known = answers[positions]
    return Evidence(
        yes=int(np.count_nonzero(known == 1)),
        no=int(np.count_nonzero(known == 0)),
        sample=len(positions),
        size=size,
    )


def search(
    trees: Sequence[Dendrogram],
    answer: Answer,
    *,
    keys: Sequence[NDArray[np.uint64]],
    thresholds: Thresholds,
    strategy: str | Strategy = DEFAULT_STRATEGY,
    rule: str | Rule = DEFAULT_RULE,
    known: Sequence[Knowledge] | None = None,
    budget: int | None = None,
    reuse: bool = True,
) -> Iterator[Decision]:
    """Algorithm 1 over all trees in one queue: the decisions, in the order in which they are taken.

    Parameters
    ----------
    trees : one per category
    answer : says of masks whether they are correct
    keys : per tree, its (n,) leaf keys
    known : per tree, what the strategy may use; None for nothing but the thresholds
    budget : the search ends before the first question beyond it; None for no limit
    reuse : answers serve all clusters that contain the mask, and no mask is asked about twice. Without, every
        cluster draws a sample of its own and asks all of it, as the paper's text has it

    Yields
    ------
    Decision
        Lazily: whoever has enough stops taking more. A cluster on which the budget ends has no decision.
    """
    order = STRATEGIES[strategy] if isinstance(strategy, str) else strategy
    ruling = RULES[rule] if isinstance(rule, str) else rule
    knowledge = known or [Knowledge(thresholds)] * len(trees)
    desks = [
        _Desk(i, *pair, answer, ruling, thresholds, reuse)
        for i, pair in enumerate(zip(trees, keys, strict=True))
    ]
    queue: list[tuple[float, int, int]] = []

    def enqueue(index: int, nodes: NDArray[np.int64]) -> None:
        for priority, node in zip(order(trees[index], nodes, knowledge[index]), nodes, strict=True):
            heapq.heappush(queue, (-float(priority), index, int(node)))

    for desk in desks:
        enqueue(desk.index, desk.candidates())
    left = budget
    while queue:
        _, index, node = heapq.heappop(queue)
        decision = desks[index].decide(node, left)
        if decision is None:
            return
        left = None if left is None else left - decision.questions
        yield decision
        if decision.verdict is Verdict.SPLIT:
            enqueue(index, desks[index].candidates(below=node))


class _Desk:
    """Where one tree's clusters are asked about: it remembers the answers."""

    def __init__(
        self,
        index: int,
        tree: Dendrogram,
        keys: NDArray[np.uint64],
        answer: Answer,
        rule: Rule,
        thresholds: Thresholds,
        reuse: bool,
    ) -> None:
        self.index, self.tree, self.keys = index, tree, keys
        self.answer, self.rule, self.thresholds, self.reuse = answer, rule, thresholds, reuse
        self.answers = np.full(tree.n, UNANSWERED, dtype=np.int8)
        self.eligible = eligible(tree, thresholds)

    def candidates(self, below: int | None = None) -> NDArray[np.int64]:
        """The nodes that open at first, or when `below` is split."""
        return candidates(self.tree, self.thresholds, below=below, among=self.eligible)

    def decide(self, node: int, left: int | None) -> Decision | None:
        """Ask in key order until the rule decides; None when that takes more than `left` questions."""
        size = int(self.tree.size(node))
        positions = self._sample(node, self.rule.sample_size(size, self.thresholds))
        evidence = evidence_of(positions, self.answers, size=size)
        missing = iter(positions[self.answers[positions] == UNANSWERED])
        asked = 0
        while (verdict := self.rule.decide(evidence, self.thresholds)) is Verdict.ASK:
            if left is not None and asked >= left:
                return None
            evidence = self._ask(next(missing), evidence)
            asked += 1
        return Decision(self.index, node, verdict, evidence, asked)

    def _sample(self, node: int, size: int) -> NDArray[np.int64]:
        lo, hi = int(self.tree.lo[node]), int(self.tree.hi[node])
        if self.reuse:
            return sample(self.keys, lo, hi, size)
        self.answers[lo:hi] = UNANSWERED
        return lo + sample(redrawn(self.keys[lo:hi], salt=node), 0, hi - lo, size)

    def _ask(self, position: np.int64, evidence: Evidence) -> Evidence:
        yes = bool(self.answer(self.index, np.array([position]))[0])
        self.answers[position] = yes
        return Evidence(evidence.yes + yes, evidence.no + (not yes), evidence.sample, evidence.size)
