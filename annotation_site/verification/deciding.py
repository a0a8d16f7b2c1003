"""Answers into decisions: what a cluster's answers settle is written together with what opens below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from django.db.backends.postgresql.psycopg_any import NumericRange

from annotation_site.catalog.models import Tree
from annotation_site.verification import questions
from annotation_site.verification.by_hand import by_hand_in
from annotation_site.verification.ground import Ground, ground_of
from annotation_site.verification.models import Cluster, Decision
from annotation_site.verification.planning import (
    Answers,
    Place,
    Planned,
    answers_of,
    places,
    queue,
    unfold,
    weigh_sample,
)
from annotation_site.verification.questions import Asked, Move
from annotation_site.webhooks.models import Kind
from annotation_site.webhooks.noting import note_many
from pipeline.decisions import Verdict

BATCH = 5000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What answers moved: clusters that opened, decisions taken, questions asked for the first time."""

    opened: int = 0
    decided: int = 0
    asked: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.opened + other.opened, self.decided + other.decided, self.asked + other.asked)


@dataclass(frozen=True, slots=True)
class OpenCluster:
    """A cluster's row, as far as an answer needs it."""

    pk: int
    tree_id: int
    node: int
    lo: int
    hi: int
    priority: float
    sample_size: int


def settle(cluster: OpenCluster, *, at: datetime, returned: int | None = None) -> Verdict:
    """Decide an open cluster if its answers allow it, else ask what it still needs.

    The caller holds the tree, and the cluster's row unless it holds the tree alone.

    Parameters
    ----------
    returned : a question on which a lease ends with this
    """
    ground = ground_of(cluster.tree_id)
    asked = questions.asked_for(cluster.pk)
    answers = answers_of(ground, questions.by_position(asked))
    planned = weigh_sample(
        ground,
        cluster.node,
        np.array([question.position for question in asked], dtype=np.int64),
        answers,
        sample=cluster.sample_size,
        size=cluster.hi - cluster.lo,
    )
    if planned.verdict is Verdict.ASK:
        _requeue(ground, cluster, planned, asked, answers, returned)
    else:
        if planned.verdict is Verdict.SPLIT:
            _hold_below(cluster)
        write(cluster.tree_id, [cluster.node], at=at, returned=returned)
    return planned.verdict


def _hold_below(cluster: OpenCluster) -> None:
    """Hold the clusters below that a withdrawal closed: leases on their questions may still live.

    Their answers are in when this is through, and those that follow find them open.
    """
    below = Cluster.objects.filter(tree=cluster.tree_id, lo__gte=cluster.lo, hi__lte=cluster.hi)
    held = below.exclude(pk=cluster.pk).order_by("pk").select_for_update(no_key=True)
    list(held.values_list("pk", flat=True))


def _requeue(
    ground: Ground,
    cluster: OpenCluster,
    planned: Planned,
    asked: Sequence[Asked],
    answers: Answers,
    returned: int | None,
) -> None:
    """Ask what an open cluster still needs."""
    wanted = dict(places(ground, planned, answers.judgments))
    clusters = {cluster.node: (cluster.pk, cluster.priority)}
    questions.move(_moves(asked, wanted, clusters, returned))


def write(tree_id: int, start: Sequence[int], *, at: datetime, returned: int | None = None) -> Outcome:
    """Weigh the nodes of `start` and all clusters that open below; write what comes of it.

    Clusters, decisions, and the questions' places follow the answers, whatever they were before. The caller
    holds the tree, and the row of the one cluster it starts with unless it holds the tree alone.
    """
    if not start:
        return Outcome()
    ground = ground_of(tree_id)
    tree = Tree.objects.defer("packed").select_related("round", "category").get(pk=tree_id)
    nodes = list(start)
    intervals = list(zip(ground.tree.lo[nodes].tolist(), ground.tree.hi[nodes].tolist(), strict=True))
    asked = questions.asked_within(tree_id, intervals)
    judgments = questions.by_position(asked)
    answers = answers_of(ground, judgments)
    planned = unfold(ground, answers, start, by_hand_in(tree_id))
    clusters = _write_clusters(tree_id, ground, planned, at)
    decided = _write_decisions(tree, ground, planned, clusters, answers, at)
    wanted = queue(ground, planned, judgments)
    keys = {node: (cluster.pk, cluster.priority) for node, cluster in clusters.items()}
    questions.move(_moves(asked, wanted, keys, returned))
    new = _new(planned, wanted, judgments)
    questions.add(tree, new, keys)
    return Outcome(len(planned) - decided, decided, len(new))


def _moves(
    asked: Iterable[Asked],
    wanted: Mapping[int, Place],
    clusters: Mapping[int, tuple[int, float]],
    returned: int | None,
) -> list[Move]:
    """The questions whose place differs from what it was."""
    moves = []
    for question in asked:
        place = wanted.get(question.position)
        before = (question.cluster_id, question.rank, question.priority, question.wanted, question.turn)
        after = before
        if place is not None:
            cluster, priority = clusters[place.node]
            after = (cluster, place.rank, priority, place.wanted, place.turn)
        if after != before or question.id == returned:
            moves.append(Move(question.id, *after, returned=int(question.id == returned)))
    return moves


def _new(
    planned: Iterable[Planned], wanted: Mapping[int, Place], known: Mapping[int, object]
) -> dict[int, Place]:
    """Places of masks without a question, in open clusters: what is settled already is not asked about."""
    still_open = {one.node for one in planned if one.is_open}
    return {
        position: place
        for position, place in wanted.items()
        if position not in known and place.node in still_open
    }


def _write_clusters(
    tree_id: int, ground: Ground, planned: Sequence[Planned], at: datetime
) -> dict[int, Cluster]:
    """A row for every planned node, new or opened again; by node."""
    nodes = [one.node for one in planned]
    found = {c.node: c for c in Cluster.objects.filter(tree=tree_id, node__in=nodes)}
    priorities = dict(zip(nodes, ground.priorities(nodes), strict=True))
    depth = _depths(planned)
    for _, wave in groupby(sorted(planned, key=lambda one: depth[one.node]), lambda one: depth[one.node]):
        missing = [one for one in wave if one.node not in found]
        rows = [_cluster(tree_id, ground, one, found, priorities[one.node], at) for one in missing]
        found.update((c.node, c) for c in Cluster.objects.bulk_create(rows, batch_size=BATCH))
    _set_open(planned, found)
    return found


def _depths(planned: Iterable[Planned]) -> dict[int, int]:
    """Node -> number of planned clusters above it."""
    depth: dict[int, int] = {}
    for one in planned:
        depth[one.node] = 0 if one.parent is None else depth[one.parent] + 1
    return depth


def _cluster(
    tree_id: int,
    ground: Ground,
    planned: Planned,
    found: Mapping[int, Cluster],
    priority: float,
    at: datetime,
) -> Cluster:
    return Cluster(
        tree_id=tree_id,
        node=planned.node,
        lo=int(ground.tree.lo[planned.node]),
        hi=int(ground.tree.hi[planned.node]),
        mean_score=float(ground.tree.mean(planned.node)),
        parent=None if planned.parent is None else found[planned.parent],
        priority=priority,
        sample_size=len(planned.positions),
        is_open=planned.is_open,
        opened_at=at,
    )


def _set_open(planned: Iterable[Planned], found: Mapping[int, Cluster]) -> None:
    """Bring rows that were there before in line with what the answers say now."""
    changed = [found[one.node] for one in planned if found[one.node].is_open != one.is_open]
    for cluster in changed:
        cluster.is_open = not cluster.is_open
    Cluster.objects.bulk_update(changed, ["is_open"], batch_size=BATCH)


def _write_decisions(
    tree: Tree,
    ground: Ground,
    planned: Iterable[Planned],
    clusters: Mapping[int, Cluster],
    answers: Answers,
    at: datetime,
) -> int:
    """A decision for each settled cluster; their number."""
    decisions = [
        Decision(
            cluster=clusters[one.node],
            tree_id=tree.pk,
            interval=NumericRange(clusters[one.node].lo, clusters[one.node].hi),
            verdict=one.verdict.value,
            yes=one.evidence.yes,
            no=one.evidence.no,
            sample=one.evidence.sample,
            rule=ground.rule_name,
            rests_on=answers.last(one.positions.tolist()),
            at=at,
        )
        for one in planned
        if one.verdict is not Verdict.ASK
    ]
    Decision.objects.bulk_create(decisions, batch_size=BATCH)
    told = [_told(tree, decision) for decision in decisions]
    note_many(tree.round.project_id, Kind.CLUSTER_DECIDED, told, at=at)
    return len(decisions)


def _told(tree: Tree, decision: Decision) -> dict[str, Any]:
    """What webhooks are told of a decision."""
    cluster = decision.cluster
    return {
        "decision": decision.pk,
        "category": tree.category.name,
        "round": tree.round.number,
        "tree": tree.pk,
        "node": cluster.node,
        "masks": cluster.size,
        "mean_score": round(cluster.mean_score, 4),
        "verdict": decision.verdict,
        "yes": decision.yes,
        "no": decision.no,
        "sample": decision.sample,
        "at": decision.at,
    }
