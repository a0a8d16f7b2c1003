"""What answers make of a tree, and what is asked next: pure, for one answer, an opening, or a replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from annotation_site.verification.by_hand import NOTHING, ByHand
from annotation_site.verification.ground import Ground
from pipeline.aggregation import Judgment
from pipeline.decisions import Evidence, Verdict

AT_ONCE = 8
"""Masks of a sample come into the queue so many at a time."""
SPARE = 4
"""At least so many are in the queue beyond those that cannot be in vain, for who finds nothing else to do."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A cluster and what the answers so far make of it.

    Attributes
    ----------
    parent : node of the cluster whose split opened it; None when the search began with it
    positions : its own sample, in the order of asking
    verdict : ASK while it is open, or covered
    again : of its sample, answered masks about which somebody else is asked: its decision hangs on them
    covered : an admin's verdict lies over it: nobody is asked
    """

    node: int
    parent: int | None
    positions: NDArray[np.int64]
    evidence: Evidence
    verdict: Verdict
    again: frozenset[int] = frozenset()
    covered: bool = False

    @property
    def is_open(self) -> bool:
        """Whether people are asked about it."""
        return self.verdict is Verdict.ASK and not self.covered


@dataclass(frozen=True, slots=True)
class Place:
    """A mask's place in the queue: judgments its cluster can still use, and whether others go first."""

    node: int
    rank: int
    wanted: int
    turn: int


@dataclass(frozen=True, slots=True)
class Answers:
    """Judgments by leaf position, and the labels that those of them come to that are settled."""

    judgments: Mapping[int, Sequence[Judgment]]
    labels: Mapping[int, bool]

    def last(self, positions: Iterable[int]) -> int:
        """The largest number of a judgment about some masks; 0 without any."""
        return max((j.number for at in positions for j in self.judgments.get(at, ())), default=0)

    def up_to(self, number: int, ground: Ground, positions: Iterable[int]) -> Answers:
        """Those about some masks that were there when judgment `number` was the last one."""
        known = {
            position: [judgment for judgment in self.judgments.get(position, ()) if judgment.number <= number]
            for position in positions
        }
        return answers_of(ground, known)


def answers_of(ground: Ground, judgments: Mapping[int, Sequence[Judgment]]) -> Answers:
    """Judgments by leaf position, read."""
    labels = {position: ground.label(given) for position, given in judgments.items() if given}
    settled = {position: label for position, label in labels.items() if label is not None}
    return Answers(judgments, settled)


def weigh(ground: Ground, node: int, answers: Answers, *, parent: int | None = None) -> Planned:
    """What the answers make of one cluster."""
    positions = ground.sample(node)
    sampled = positions.tolist()
    found = [answers.labels[position] for position in sampled if position in answers.labels]
    size = int(ground.tree.size(node))
    evidence = Evidence(found.count(True), found.count(False), len(sampled), size)
    verdict = ground.decide(evidence)
    again: frozenset[int] = frozenset()
    if verdict is not Verdict.ASK:
        told = {at: answers.judgments[at] for at in sampled if at in answers.labels}
        again = ground.again(told, evidence)
    return Planned(node, parent, positions, evidence, Verdict.ASK if again else verdict, again)


@dataclass(frozen=True, slots=True)
class Rested:
    """What a decision says, and the answers it rested on: their counts, and the number of the last one."""

    verdict: str
    yes: int
    no: int
    last: int | None


def holds(ground: Ground, node: int, decision: Rested, answers: Answers) -> bool:
    """Whether a decision stands on what counts now.

    It falls when answers it rested on are gone and the rest says otherwise. Answers that came after it do not
    reopen it, though a rule that stops early might have wavered, or second opinions changed a label.
    """
    now = weigh(ground, node, answers)
    more = now.evidence.yes >= decision.yes and now.evidence.no >= decision.no
    if decision.verdict == now.verdict or more:
        return True
    if decision.last is None:
        return False
    then = answers.up_to(decision.last, ground, now.positions.tolist())
    return decision.verdict == weigh(ground, node, then).verdict


def _cover(ground: Ground, planned: Planned, by_hand: ByHand) -> Planned:
    """The same, left as it is where an admin's verdict lies over it."""
    node = planned.node
    if by_hand.covers(int(ground.tree.lo[node]), int(ground.tree.hi[node])):
        return replace(planned, verdict=Verdict.ASK, again=frozenset(), covered=True)
    return planned


def unfold(
    ground: Ground, answers: Answers, start: Iterable[int], by_hand: ByHand = NOTHING
) -> list[Planned]:
    """The clusters to start with, and all below them that splits open; parents come before children.

    Answers are reused down the tree, so a cluster may be settled as soon as it opens. What an admin's verdict
    covers is planned, neither asked nor decided.
    """
    waiting: deque[tuple[int, int | None]] = deque((node, None) for node in start)
    planned = []
    while waiting:
        node, parent = waiting.popleft()
        here = _cover(ground, weigh(ground, node, answers, parent=parent), by_hand)
        planned.append(here)
        if here.verdict is Verdict.SPLIT:
            waiting.extend((child, here.node) for child in ground.candidates(below=here.node))
    return planned


def places(
    ground: Ground, planned: Planned, judgments: Mapping[int, Sequence[Judgment]]
) -> Iterator[tuple[int, Place]]:
    """(position, place) of a cluster's sample.

    The first unanswered masks, as many as cannot be in vain, are at turn 0, and so are those on which a
    decision hangs. Those next to them are wanted too, but only when nothing else is to be asked. The rest of
    the sample waits until it comes near: most clusters are split by their first answers.
    """
    sample = planned.positions.tolist()
    safe = near = 0
    if planned.is_open:
        safe = ground.fewest_missing(planned.evidence)
        # "Cannot tell" leaves a mask wanted, but not of the same worker: it makes room for another, too.
        near = _near(safe + sum(1 for position in sample if judgments.get(position)))
    for rank, position in enumerate(sample):
        if position in planned.again:
            yield position, Place(planned.node, rank, 1, 0)
            continue
        wanted = ground.wanted(judgments.get(position, ())) if rank < near else 0
        turn = int(wanted > 0 and safe <= 0)
        safe -= wanted > 0
        yield position, Place(planned.node, rank, wanted, turn)


def _near(needed: int) -> int:
    """How many masks of a sample are in the queue, or were; `needed` have judgments or cannot be in vain."""
    return -(-(needed + SPARE) // AT_ONCE) * AT_ONCE


def queue(
    ground: Ground, planned: Iterable[Planned], judgments: Mapping[int, Sequence[Judgment]]
) -> dict[int, Place]:
    """Position -> place, a mask in several samples being asked for the deepest of their clusters."""
    found: dict[int, Place] = {}
    for one in planned:
        found.update(places(ground, one, judgments))
    return found
