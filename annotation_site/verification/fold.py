"""State is a fold over decisions: what is open and asked, computed from the facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation_site.verification.by_hand import NOTHING, ByHand
from annotation_site.verification.ground import Ground
from annotation_site.verification.planning import Place, Planned, answers_of, queue, weigh
from pipeline.aggregation import Judgment
from pipeline.decisions import Verdict


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a tree's facts.

    Attributes
    ----------
    open : node -> the cluster and its evidence
    places : leaf position -> its place in the queue, for the samples of open clusters
    """

    open: dict[int, Planned]
    places: dict[int, Place]


def fold(
    ground: Ground,
    decided: Mapping[int, Verdict],
    judgments: Mapping[int, Sequence[Judgment]],
    by_hand: ByHand = NOTHING,
) -> Derived:
    """The open clusters of a tree and their questions.

    Parameters
    ----------
    decided : node -> verdict, of the decisions in force
    judgments : leaf position -> the judgments that count, in the order they were given
    by_hand : what admins said; nothing that a verdict of theirs covers is open
    """
    answers = answers_of(ground, judgments)
    planned = [weigh(ground, node, answers) for node in open_nodes(ground, decided, by_hand)]
    return Derived({one.node: one for one in planned}, queue(ground, planned, judgments))


def open_nodes(ground: Ground, decided: Mapping[int, Verdict], by_hand: ByHand) -> list[int]:
    """The nodes of a tree that people are to be asked about, in leaf order."""
    nodes = ground.open_clusters(decided)
    intervals = zip(nodes, ground.tree.lo[nodes].tolist(), ground.tree.hi[nodes].tolist(), strict=True)
    return [node for node, lo, hi in intervals if not by_hand.covers(lo, hi)]
