"""State is a fold over decisions: what is open and asked, computed from the facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation_site.verification.ground import Ground
from annotation_site.verification.planning import Place, Planned, labels, queue, weigh
from pipeline.aggregation import Judgment
from pipeline.decisions import Verdict
from pipeline.search import open_clusters


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
    ground: Ground, decided: Mapping[int, Verdict], judgments: Mapping[int, Sequence[Judgment]]
) -> Derived:
    """The open clusters of a tree and their questions.

    Parameters
    ----------
    decided : node -> verdict, of the decisions in force
    judgments : leaf position -> the judgments that count, in the order they were given
    """
    answers = labels(ground, judgments)
    nodes = open_clusters(ground.tree, ground.thresholds, decided)
    planned = [weigh(ground, int(node), answers) for node in nodes]
    return Derived({one.node: one for one in planned}, queue(ground, planned, judgments))
