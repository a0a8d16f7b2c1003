"""One vote, a majority, or votes where they matter: what each makes of workers who err (Sec. 4, Crowd)."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.aggregation import AGGREGATIONS, Aggregation, Judgment
from pipeline.decisions import DEFAULT_RULE, RULES, Evidence, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.experiments.worlds import World
from pipeline.sampling import leaf_keys, sample
from pipeline.search import candidates
from pipeline.skills import Skill, estimate
from pipeline.strategies import DEFAULT_STRATEGY, STRATEGIES, Knowledge

GOLD_SHARE = 0.1
"""Gold answers beside real ones, as hidden in a HIT."""
LEARN_EVERY = 500
"""Answers after which the skills of workers are estimated anew."""

RIVALS: dict[str, tuple[str, int]] = {
    "single": ("majority", 1),
    "majority of 3": ("majority", 3),
    "majority of 5": ("majority", 5),
    "second opinions": ("second_opinions", 1),
    "accuracy weighted": ("accuracy_weighted", 1),
}
"""Label -> name in AGGREGATIONS, and votes on a question."""


@dataclass(frozen=True, slots=True)
class Yield:
    """What a search came to.

    Attributes
    ----------
    questions : answers to real questions
    accepted, correct : masks accepted, and those of them that are right
    """

    questions: int
    accepted: int
    correct: int

    @property
    def precision(self) -> float:
        return self.correct / self.accepted if self.accepted else float("nan")


@dataclass
class Crowd:
    """Workers who err independently, each with a skill of their own; what is believed of them is learnt.

    Attributes
    ----------
    skills : the true ones
    rng : who answers next, and where they err
    learns : estimate their skills from gold and all answers
    """

    skills: Sequence[Skill]
    rng: np.random.Generator
    learns: bool = False
    believed: dict[int, Skill] = field(default_factory=dict)
    _answers: list[tuple[int, int, bool]] = field(default_factory=list)
    _truths: dict[int, tuple[int, int]] = field(default_factory=dict)

    def judge(self, key: int, group: int, correct: bool, *, but: Sequence[Judgment]) -> Judgment:
        """Somebody who has not judged a mask yet judges it."""
        asked = {judgment.worker for judgment in but}
        free = [worker for worker in range(len(self.skills)) if worker not in asked]
        worker = free[int(self.rng.integers(len(free)))]
        says_yes = self._says(worker, correct)
        if self.learns:
            self._note(key, group, worker, says_yes, known=-1)
            if self.rng.random() < GOLD_SHARE:
                gold = bool(self.rng.integers(2))
                self._note(-len(self._truths) - 1, -1, worker, self._says(worker, gold), known=int(gold))
        return Judgment(worker, says_yes, skill=self.believed.get(worker))

    def learn(self) -> None:
        """Estimate everybody's skill from all answers so far."""
        keys = {key: index for index, key in enumerate(self._truths)}
        known = np.array([known for known, _ in self._truths.values()], dtype=np.int8)
        _, groups = np.unique([group for _, group in self._truths.values()], return_inverse=True)
        masks = np.array([keys[key] for key, _, _ in self._answers])
        workers = np.array([worker for _, worker, _ in self._answers])
        says = np.array([yes for _, _, yes in self._answers], dtype=bool)
        found = estimate(masks, workers, says, known=known, groups=groups)
        self.believed = {worker: found.skill(worker) for worker in range(int(workers.max()) + 1)}

    @property
    def answers(self) -> int:
        return len(self._answers)

    def _says(self, worker: int, correct: bool) -> bool:
        skill = self.skills[worker]
        is_right = self.rng.random() < (skill.sensitivity if correct else skill.specificity)
        return correct if is_right else not correct

    def _note(self, key: int, group: int, worker: int, yes: bool, *, known: int) -> None:
        self._truths[key] = (known, group)
        self._answers.append((key, worker, yes))


def uniform(accuracy: float, workers: int = 20) -> list[Skill]:
    """Workers who are all alike."""
    return [Skill(accuracy, accuracy)] * workers


def mixed(accuracies: Sequence[float], workers: int = 20) -> list[Skill]:
    """Workers of several accuracies, as many of each."""
    return [Skill(a, a) for a in accuracies for _ in range(workers // len(accuracies))]


def verify(
    world: World,
    thresholds: Thresholds,
    skills: Sequence[Skill],
    rival: str,
    *,
    seed: int,
    budget: int | None = None,
    rule: str = DEFAULT_RULE,
) -> Yield:
    """Search a world best-first, one question after the other, as the site does.

    Parameters
    ----------
    budget : questions at which it ends; None for the end of the search
    """
    name, votes = RIVALS[rival]
    accuracy = float(np.mean([(skill.sensitivity + skill.specificity) / 2 for skill in skills]))
    opinions = AGGREGATIONS[name](votes, accuracy)
    crowd = Crowd(skills, np.random.default_rng([seed, 11]), learns=name == "accuracy_weighted")
    correct = world.correct(thresholds.k_iou)
    reached = Yield(0, 0, 0)
    desks = [
        _Desk(index, tree, correct[index], leaf_keys(tree.n, seed=1000 * seed + index), thresholds, rule)
        for index, tree in enumerate(world.trees)
    ]
    for desk, node in _best_first(world.trees, desks, thresholds):
        verdict, asked = desk.decide(node, opinions, crowd)
        reached = replace(reached, questions=reached.questions + asked)
        if verdict is Verdict.ACCEPT:
            accepted, right = desk.accepted(node, opinions)
            reached = replace(reached, accepted=reached.accepted + accepted, correct=reached.correct + right)
        if budget is not None and reached.questions >= budget:
            break
    return reached


def _best_first(
    trees: Sequence[Dendrogram], desks: Sequence[_Desk], thresholds: Thresholds
) -> Iterator[tuple[_Desk, int]]:
    """The clusters in the order of asking; those below a split follow it."""
    order, known = STRATEGIES[DEFAULT_STRATEGY], Knowledge(thresholds)
    queue: list[tuple[float, int, int]] = []

    def enqueue(index: int, below: int | None) -> None:
        nodes = candidates(trees[index], thresholds, below=below)
        for priority, node in zip(order(trees[index], nodes, known), nodes, strict=True):
            heapq.heappush(queue, (-float(priority), index, int(node)))

    for index in range(len(trees)):
        enqueue(index, None)
    while queue:
        _, index, node = heapq.heappop(queue)
        yield desks[index], node
        if desks[index].verdicts[node] is Verdict.SPLIT:
            enqueue(index, node)


@dataclass
class _Desk:
    """Where one tree's clusters are asked about: it remembers all judgments."""

    index: int
    tree: Dendrogram
    correct: NDArray[np.bool_]
    keys: NDArray[np.uint64]
    thresholds: Thresholds
    rule: str
    judgments: dict[int, list[Judgment]] = field(default_factory=lambda: defaultdict(list))
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    def decide(self, node: int, opinions: Aggregation, crowd: Crowd) -> tuple[Verdict, int]:
        """Ask until the rule decides and nothing that it hangs on is doubtful: the verdict, and answers."""
        ruling, size = RULES[self.rule], int(self.tree.size(node))
        wanted = ruling.sample_size(size, self.thresholds)
        positions = sample(self.keys, int(self.tree.lo[node]), int(self.tree.hi[node]), wanted).tolist()
        asked = 0

        def decide(evidence: Evidence) -> Verdict:
            return ruling.decide(evidence, self.thresholds)

        while True:
            told = self._told(positions)
            evidence, missing = self._evidence(positions, told, opinions, size)
            verdict = decide(evidence)
            again = opinions.again(told, evidence, decide)
            if verdict is not Verdict.ASK and not again:
                self.verdicts[node] = verdict
                return verdict, asked
            self._ask(next(iter(again)) if again else missing[0], node, crowd)
            asked += 1

    def accepted(self, node: int, opinions: Aggregation) -> tuple[int, int]:
        """Masks of an accepted cluster without those that people refused, and the right ones of them."""
        lo, hi = int(self.tree.lo[node]), int(self.tree.hi[node])
        kept = np.ones(hi - lo, dtype=bool)
        for position, judgments in self.judgments.items():
            if lo <= position < hi and opinions.label(judgments) is False:
                kept[position - lo] = False
        return int(kept.sum()), int(self.correct[lo:hi][kept].sum())

    def _told(self, positions: Sequence[int]) -> dict[int, list[Judgment]]:
        return {position: self.judgments[position] for position in positions if position in self.judgments}

    def _evidence(
        self,
        positions: Sequence[int],
        told: Mapping[int, Sequence[Judgment]],
        opinions: Aggregation,
        size: int,
    ) -> tuple[Evidence, list[int]]:
        labels = {position: opinions.label(told.get(position, ())) for position in positions}
        found = list(labels.values())
        missing = [position for position, label in labels.items() if label is None]
        return Evidence(found.count(True), found.count(False), len(positions), size), missing

    def _ask(self, position: int, node: int, crowd: Crowd) -> None:
        before = self.judgments[position]
        key, group = self.index << 32 | position, self.index << 32 | node
        before.append(crowd.judge(key, group, bool(self.correct[position]), but=before))
        if crowd.learns and crowd.answers % LEARN_EVERY < 2:
            crowd.learn()
            self._believe(crowd)

    def _believe(self, crowd: Crowd) -> None:
        for position, judgments in self.judgments.items():
            self.judgments[position] = [
                replace(judgment, skill=crowd.believed.get(judgment.worker)) for judgment in judgments
            ]


Watch = Callable[[str, str, Yield], None]


def compare(
    worlds: Sequence[World],
    thresholds: Thresholds,
    crowds: Mapping[str, Sequence[Skill]],
    *,
    watch: Watch = lambda *_: None,
) -> dict[tuple[str, str], list[Yield]]:
    """(crowd, rival) -> what each world yielded."""
    found: dict[tuple[str, str], list[Yield]] = {}
    for crowd, skills in crowds.items():
        for rival in RIVALS:
            for seed, world in enumerate(worlds):
                reached = verify(world, thresholds, skills, rival, seed=seed)
                found.setdefault((crowd, rival), []).append(reached)
                watch(crowd, rival, reached)
    return found
