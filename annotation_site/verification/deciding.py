"""Answers into decisions: what a cluster's answers settle is written together with what opens below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from annotation_site.verification import clusters, questions
from annotation_site.verification.by_hand import by_hand_in
from annotation_site.verification.clusters import AboutTree, New, NewDecision, Row, about_tree
from annotation_site.verification.ground import Ground, ground_of
from annotation_site.verification.planning import (
    Answers,
    Place,
    Planned,
    answers_of,
    places,
    queue,
    unfold,
    weigh,
)
from annotation_site.verification.questions import Asked, Move
from annotation_site.webhooks.models import Kind
from annotation_site.webhooks.noting import note_many
from pipeline.decisions import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What answers moved: clusters that opened, decisions taken, questions asked for the first time."""

    opened: int = 0
    decided: int = 0
    asked: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.opened + other.opened, self.decided + other.decided, self.asked + other.asked)


def settle(
    tree_id: int, cluster: Row, asked: Sequence[Asked], *, at: datetime, returned: int | None = None
) -> Verdict:
    """Decide an open cluster if its answers allow it, else ask what it still needs.

    The caller holds the tree, and the cluster's row unless it holds the tree alone.

    Parameters
    ----------
    asked : the questions that are asked for it
    returned : a question on which a lease ends with this
    """
    ground = ground_of(tree_id)
    answers = answers_of(ground, questions.by_position(asked))
    planned = weigh(ground, cluster.node, answers)
    if planned.verdict is Verdict.ASK:
        wanted = dict(places(ground, planned, answers.judgments))
        keys = {cluster.node: (cluster.id, cluster.priority)}
        questions.move(_moves(asked, wanted, keys, returned))
        questions.add(tree_id, _new(wanted, answers.judgments), keys)
    else:
        if planned.verdict is Verdict.SPLIT:
            # A withdrawal closed them, and leases on their questions may still live: their answers are in
            # when this is through, and those that follow find them open.
            clusters.hold_below(tree_id, cluster.lo, cluster.hi, but=cluster.id)
        write(tree_id, [cluster.node], at=at, returned=returned)
    return planned.verdict


def write(tree_id: int, start: Sequence[int], *, at: datetime, returned: int | None = None) -> Outcome:
    """Weigh the nodes of `start` and all clusters that open below; write what comes of it.

    Clusters, decisions, and the questions' places follow the answers, whatever they were before. The caller
    holds the tree, and the row of the one cluster it starts with unless it holds the tree alone.
    """
    if not start:
        return Outcome()
    ground = ground_of(tree_id)
    nodes = list(start)
    intervals = list(zip(ground.tree.lo[nodes].tolist(), ground.tree.hi[nodes].tolist(), strict=True))
    asked = questions.asked_within(tree_id, intervals)
    judgments = questions.by_position(asked)
    answers = answers_of(ground, judgments)
    planned = unfold(ground, answers, start, by_hand_in(tree_id))
    rows = _write_clusters(tree_id, ground, planned, at)
    decided = _write_decisions(tree_id, ground, planned, rows, answers, at)
    wanted = queue(ground, planned, judgments)
    keys = {node: (row.id, row.priority) for node, row in rows.items()}
    questions.move(_moves(asked, wanted, keys, returned))
    new = _new(wanted, judgments)
    questions.add(tree_id, new, keys)
    return Outcome(len(planned) - decided, decided, len(new))


def _moves(
    asked: Iterable[Asked],
    wanted: Mapping[int, Place],
    keys: Mapping[int, tuple[int, float]],
    returned: int | None,
) -> list[Move]:
    """The questions whose place differs from what it was."""
    moves = []
    for question in asked:
        place = wanted.get(question.position)
        before = (question.cluster_id, question.rank, question.priority, question.wanted, question.turn)
        after = before
        if place is not None:
            cluster, priority = keys[place.node]
            after = (cluster, place.rank, priority, place.wanted, place.turn)
        if after != before or question.id == returned:
            moves.append(Move(question.id, *after, returned=int(question.id == returned)))
    return moves


def _new(wanted: Mapping[int, Place], known: Mapping[int, object]) -> dict[int, Place]:
    """Places of masks that are to be asked about and have no question yet."""
    return {
        position: place for position, place in wanted.items() if place.wanted > 0 and position not in known
    }


def _write_clusters(tree_id: int, ground: Ground, planned: Sequence[Planned], at: datetime) -> dict[int, Row]:
    """A row for every planned node, new or opened again; by node."""
    nodes = [one.node for one in planned]
    found = clusters.by_node(clusters.at_nodes(tree_id, nodes))
    is_open = {one.node: one.is_open for one in planned}
    clusters.turn([row.id for row in found.values() if row.is_open != is_open[row.node]])
    missing = [one for one in planned if one.node not in found]
    priorities = dict(zip(nodes, ground.priorities(nodes), strict=True))
    depth = _depths(planned)
    for _, wave in groupby(sorted(missing, key=lambda one: depth[one.node]), lambda one: depth[one.node]):
        new = [_cluster(ground, one, found, priorities[one.node]) for one in wave]
        found.update(clusters.by_node(clusters.add(tree_id, new, at=at)))
    return found


def _depths(planned: Iterable[Planned]) -> dict[int, int]:
    """Node -> number of planned clusters above it."""
    depth: dict[int, int] = {}
    for one in planned:
        depth[one.node] = 0 if one.parent is None else depth[one.parent] + 1
    return depth


def _cluster(ground: Ground, planned: Planned, found: Mapping[int, Row], priority: float) -> New:
    return New(
        node=planned.node,
        lo=int(ground.tree.lo[planned.node]),
        hi=int(ground.tree.hi[planned.node]),
        mean_score=float(ground.tree.mean(planned.node)),
        parent=None if planned.parent is None else found[planned.parent].id,
        priority=priority,
        sample_size=len(planned.positions),
        is_open=planned.is_open,
    )


def _write_decisions(
    tree_id: int,
    ground: Ground,
    planned: Iterable[Planned],
    rows: Mapping[int, Row],
    answers: Answers,
    at: datetime,
) -> int:
    """A decision for each settled cluster, told to who wants to know; their number."""
    settled = [one for one in planned if one.verdict is not Verdict.ASK]
    if not settled:
        return 0
    new = [
        NewDecision(
            rows[one.node].id, one.verdict, one.evidence, rests_on=answers.last(one.positions.tolist())
        )
        for one in settled
    ]
    written = clusters.decide(new, rule=ground.rule_name, at=at)
    about = about_tree(tree_id)
    told = [_told(tree_id, about, one, rows[one.node], written[rows[one.node].id], at) for one in settled]
    note_many(about.project, Kind.CLUSTER_DECIDED, told, at=at)
    return len(settled)


def _told(
    tree_id: int, about: AboutTree, planned: Planned, cluster: Row, decision: int, at: datetime
) -> dict[str, Any]:
    """What webhooks are told of a decision."""
    return {
        "decision": decision,
        "category": about.category,
        "round": about.round,
        "tree": tree_id,
        "node": cluster.node,
        "masks": cluster.hi - cluster.lo,
        "mean_score": round(cluster.mean_score, 4),
        "verdict": planned.verdict.value,
        "yes": planned.evidence.yes,
        "no": planned.evidence.no,
        "sample": planned.evidence.sample,
        "at": at,
    }
