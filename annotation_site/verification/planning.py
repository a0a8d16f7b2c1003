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
from pipeline.search import UNANSWERED, evidence_of


@dataclass(frozen=True, slots=True)
class Planned:
    """A cluster and what the answers so far make of it.

    Attributes
    ----------
    parent : node of the cluster whose split opened it; None when the search began with it
    positions : its own sample, in the order of asking
    verdict : ASK while it is open, or covered
    covered : an admin's verdict lies over it: nobody is asked
    """

    node: int
    parent: int | None
    positions: NDArray[np.int64]
    evidence: Evidence
    verdict: Verdict
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


def labels(ground: Ground, judgments: Mapping[int, Sequence[Judgment]]) -> NDArray[np.int8]:
    """Judgments by leaf position -> (n,) int8: 1 yes, 0 no, UNANSWERED."""
    answers = np.full(ground.tree.n, UNANSWERED, dtype=np.int8)
    for position, given in judgments.items():
        label = ground.label(given)
        if label is not None:
            answers[position] = label
    return answers


def weigh(ground: Ground, node: int, answers: NDArray[np.int8], *, parent: int | None = None) -> Planned:
    """What the answers make of one cluster."""
    positions = ground.sample(node)
    evidence = evidence_of(positions, answers, size=int(ground.tree.size(node)))
    return Planned(node, parent, positions, evidence, ground.decide(evidence))


def holds(verdict: str, yes: int, no: int, now: Planned) -> bool:
    """Whether a decision that rested on `yes` and `no` answers stands on what counts now.

    It falls when answers it rested on are gone and the rest says otherwise. Answers that came after it do not
    reopen it, though a rule that stops early might have wavered.
    """
    return verdict == now.verdict or (now.evidence.yes >= yes and now.evidence.no >= no)


def _cover(ground: Ground, planned: Planned, by_hand: ByHand) -> Planned:
    """The same, left as it is where an admin's verdict lies over it."""
    node = planned.node
    if by_hand.covers(int(ground.tree.lo[node]), int(ground.tree.hi[node])):
        return replace(planned, verdict=Verdict.ASK, covered=True)
    return planned


def unfold(
    ground: Ground, answers: NDArray[np.int8], start: Iterable[int], by_hand: ByHand = NOTHING
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

    The first unanswered masks, as many as cannot be in vain, are at turn 0. The others of an open cluster
    are wanted too, but only when nothing else is to be asked.
    """
    safe = ground.fewest_missing(planned.evidence) if planned.is_open else 0
    for rank, position in enumerate(planned.positions.tolist()):
        wanted = ground.wanted(judgments.get(position, ())) if planned.is_open else 0
        turn = int(wanted > 0 and safe <= 0)
        safe -= wanted > 0
        yield position, Place(planned.node, rank, wanted, turn)


def queue(
    ground: Ground, planned: Iterable[Planned], judgments: Mapping[int, Sequence[Judgment]]
) -> dict[int, Place]:
    """Position -> place, a mask in several samples being asked for the deepest of their clusters."""
    found: dict[int, Place] = {}
    for one in planned:
        found.update(places(ground, one, judgments))
    return found
