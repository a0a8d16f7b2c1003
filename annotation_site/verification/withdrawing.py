"""Judgments stop counting: decisions that rested on them are recomputed; those that do not hold fall."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from annotation_site.budget.terms import Partial
from annotation_site.catalog.models import Round, Tree
from annotation_site.people.models import Membership
from annotation_site.verification import deciding, questions
from annotation_site.verification.by_hand import ByHand, by_hand_in
from annotation_site.verification.ground import Ground, ground_of
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import (
    SET_ASIDE,
    UNCONFIRMED,
    UNDONE,
    Assignment,
    Cluster,
    Decision,
    DecisionQuerySet,
    Judgment,
    JudgmentQuerySet,
    Question,
)
from annotation_site.verification.planning import Answers, Rested, answers_of, holds
from annotation_site.verification.releasing import held_live, release
from annotation_site.webhooks.models import Kind
from annotation_site.webhooks.noting import note_many


@dataclass(frozen=True, slots=True)
class Retraction:
    """Judgments that stopped counting, and decisions that were withdrawn with them."""

    judgments: int
    withdrawn: int


@transaction.atomic
def retract_worker(
    *, membership: Membership, reason: str, at: datetime, since: datetime | None = None
) -> Retraction:
    """A worker's judgments on masks stop counting, from `since` on or all of them.

    Their open HIT ends first: an item whose judgment stops counting has no lease any more. Decisions are
    recomputed from what remains; those that no longer hold are withdrawn and their clusters opened again.
    What they said of gold stays: it is what is known of them. Nothing is deleted. Repeating it changes
    nothing.
    """
    live = held_live(project_id=membership.project_id, worker_id=membership.worker_id)
    counting = counting_of(membership, since)
    trees = sorted(counting.values_list("question__tree_id", flat=True).order_by().distinct())
    hold_trees([*trees, *_trees_of(live)], alone=True)
    if live is not None:
        release(live, at=at, partial=Partial.SHARE)
    withdrawn = retracted = 0
    for tree_id in trees:
        mine = counting.filter(question__tree=tree_id)
        found = mine.values_list("question__position", flat=True).order_by().distinct()
        positions = [position for position in found if position is not None]
        retracted += mine.update(retracted_at=at, retracted_because=reason[:200])
        withdrawn += reconsider(tree_id, positions, because=reason, at=at)
    return Retraction(retracted, withdrawn)


@transaction.atomic
def restore_worker(*, membership: Membership, at: datetime, of: str | None = None) -> int:
    """Judgments that stopped counting with their worker count again; their number. Repeating changes nothing.

    What the worker took back themselves stays so, and what an admin set aside, and what was answered anew
    since, and what no marketplace vouched for. Open clusters are weighed again; decisions that others took
    meanwhile stand.

    Parameters
    ----------
    of : only what stopped counting for this reason
    """
    gone = Judgment.objects.filter(
        worker=membership.worker_id, question__project=membership.project_id, of_gold=False
    ).filter(retracted_at__isnull=False)
    kept_back = Q(retracted_because__in=[UNDONE, UNCONFIRMED]) | Q(retracted_because__startswith=SET_ASIDE)
    gone = gone.exclude(kept_back) if of is None else gone.filter(retracted_because=of[:200])
    trees = sorted(gone.values_list("question__tree_id", flat=True).order_by().distinct())
    hold_trees(trees, alone=True)
    restored = 0
    for tree_id in trees:
        latest = gone.filter(question__tree=tree_id).order_by("question", "-pk").distinct("question")
        answered = Judgment.objects.counting().filter(
            Q(item=OuterRef("item")) | Q(worker=membership.worker_id, question=OuterRef("question"))
        )
        again = dict(latest.values_list("pk", "question__position"))
        back = Judgment.objects.filter(pk__in=again).filter(~Exists(answered))
        positions = [again[pk] for pk in back.values_list("pk", flat=True)]
        restored += back.update(retracted_at=None, retracted_because="")
        reconsider(tree_id, [p for p in positions if p is not None], because="", at=at)
    return restored


@dataclass(frozen=True, slots=True)
class Resting:
    """What rests on a worker's judgments.

    Attributes
    ----------
    judgments : on masks, that count
    decisions : in force whose samples hold one of them
    falling : of all decisions in force, those that would be withdrawn without them, as far as can be told now
    """

    judgments: int = 0
    decisions: int = 0
    falling: int = 0


def resting_on(*, membership: Membership, since: datetime | None = None) -> Resting:
    """What `retract_worker` would do; nothing is changed or held.

    Every decision that rests on them is weighed anew, which takes seconds on a large project; how many
    judgments they are, `counting_of` tells at once.
    """
    gone: dict[int, set[int]] = defaultdict(set)
    places: dict[int, set[int]] = defaultdict(set)
    mine = counting_of(membership, since).values_list("pk", "question__tree", "question__position")
    for pk, tree_id, position in mine.iterator(chunk_size=10_000):
        if tree_id is not None and position is not None:
            gone[tree_id].add(pk)
            places[tree_id].add(position)
    decisions = falling = 0
    for tree_id, positions in places.items():
        concerned, fallen = _would_fall(tree_id, positions, gone[tree_id])
        decisions, falling = decisions + concerned, falling + fallen
    return Resting(sum(map(len, gone.values())), decisions, falling)


def _would_fall(tree_id: int, positions: Collection[int], gone: Collection[int]) -> tuple[int, int]:
    """Decisions of a tree that rest on some judgments, and those that would be withdrawn without them."""
    ground = ground_of(tree_id)
    decided = [one for one in _concerned(ground, tree_id, positions) if one.decision is not None]
    asked = questions.asked_at(tree_id, {position for one in decided for position in one.sample})
    left = {
        position: [judgment for judgment in given if judgment.number not in gone]
        for position, given in questions.by_position(asked).items()
    }
    answers, by_hand = answers_of(ground, left), by_hand_in(tree_id)
    falling, closed_until = 0, 0
    for one in decided:
        if one.cluster.node >= closed_until and not _stands(ground, one, answers, by_hand):
            nodes = ground.tree.subtree(one.cluster.node)
            falling += _standing_in(tree_id, nodes).count()
            closed_until = nodes.stop
    return len(decided), falling


def counting_of(membership: Membership, since: datetime | None = None) -> JudgmentQuerySet:
    """A worker's judgments on masks that count, from `since` on."""
    counting = Judgment.objects.counting().filter(
        worker=membership.worker_id, question__project=membership.project_id, of_gold=False
    )
    return counting if since is None else counting.filter(at__gte=since)


def _trees_of(assignment: Assignment | None) -> list[int]:
    if assignment is None:
        return []
    about_masks = assignment.items.filter(question__tree__isnull=False).order_by()
    return list(about_masks.values_list("question__tree", flat=True).distinct())


def reconsider(tree_id: int, positions: Collection[int], *, because: str, at: datetime) -> int:
    """Recompute all decisions that rest on the answers to some masks; the number of those withdrawn.

    The caller holds the tree alone. From the top down: below a decision that is withdrawn, all others are
    withdrawn as well, their clusters closed; the answers stay and serve again.
    """
    ground = ground_of(tree_id)
    concerned = list(_concerned(ground, tree_id, positions))
    sampled = {position for one in concerned for position in one.sample}
    answers = answers_of(ground, questions.by_position(questions.asked_at(tree_id, sampled)))
    by_hand = by_hand_in(tree_id)
    withdrawn, again, closed_until = 0, [], 0
    for one in concerned:
        node = one.cluster.node
        if node < closed_until:
            continue
        if one.cluster.is_open:
            again.append(node)
        elif not _stands(ground, one, answers, by_hand):
            withdrawn += withdraw(one.cluster, ground, because, at)
            closed_until = ground.tree.subtree(node).stop
            again.append(node)
    if is_current(tree_id):
        deciding.write(tree_id, again, at=at)
    return withdrawn


@dataclass(frozen=True, slots=True)
class _Concerned:
    """A cluster that is open, or decided, and the masks of its own sample."""

    cluster: Cluster
    decision: Rested | None
    sample: list[int]


def _stands(ground: Ground, one: _Concerned, answers: Answers, by_hand: ByHand) -> bool:
    """Whether a cluster's decision, if it has one, stands on these answers."""
    if one.decision is None or holds(ground, one.cluster.node, one.decision, answers):
        return True
    is_split = one.decision.verdict == Decision.Verdict.SPLIT
    return is_split and by_hand.keeps_split(one.cluster.lo, one.cluster.hi)


def _concerned(ground: Ground, tree_id: int, positions: Collection[int]) -> Iterator[_Concerned]:
    """The clusters whose own sample holds one of the masks; parents come before children."""
    sought = np.unique(np.fromiter(positions, dtype=np.int64))
    if not len(sought):
        return
    within = Cluster.objects.filter(tree=tree_id, lo__lte=int(sought[-1]), hi__gt=int(sought[0]))
    standing = Decision.objects.in_force().filter(cluster__in=within)
    facts = standing.values_list("cluster", "verdict", "yes", "no", "rests_on")
    decisions = {cluster: Rested(verdict, yes, no, last) for cluster, verdict, yes, no, last in facts}
    samples = {}
    for pk, node, lo, hi, is_open in within.order_by("node").values_list("pk", "node", "lo", "hi", "is_open"):
        first, last = np.searchsorted(sought, [lo, hi])
        if (is_open or pk in decisions) and first < last:
            sample = ground.sample(node)
            if np.isin(sample, sought).any():
                samples[pk] = sample.tolist()
    # A tree has many clusters, and few of them are concerned: only of these the whole row is read.
    for cluster in within.filter(pk__in=list(samples)).order_by("node"):
        yield _Concerned(cluster, decisions.get(cluster.pk), samples[cluster.pk])


def withdraw(cluster: Cluster, ground: Ground, because: str, at: datetime) -> int:
    """Withdraw a cluster's decision and those below it; nothing of it is open or asked then.

    The caller holds the tree alone.
    """
    nodes = ground.tree.subtree(cluster.node)
    standing = _standing_in(cluster.tree_id, nodes)
    own = standing.filter(cluster=cluster).update(withdrawn_at=at, withdrawn_because=because[:200])
    above = f"the split above, of cluster {cluster.node}, was withdrawn: {because}"
    below = standing.update(withdrawn_at=at, withdrawn_because=above[:200])
    Cluster.objects.filter(
        tree=cluster.tree_id, node__gte=nodes.start, node__lt=nodes.stop, is_open=True
    ).update(is_open=False)
    Question.objects.filter(
        tree=cluster.tree_id, position__gte=cluster.lo, position__lt=cluster.hi, wanted__gt=0
    ).update(wanted=0, turn=0)
    if own + below:
        _tell(cluster, nodes, because, at)
    return own + below


def _standing_in(tree_id: int, nodes: slice) -> DecisionQuerySet:
    """The decisions in force on some nodes of a tree."""
    return Decision.objects.in_force().filter(
        tree=tree_id, cluster__node__gte=nodes.start, cluster__node__lt=nodes.stop
    )


def _tell(cluster: Cluster, nodes: slice, because: str, at: datetime) -> None:
    """Have the project's webhooks told which decisions were withdrawn just now."""
    tree = Tree.objects.defer("packed").select_related("round", "category").get(pk=cluster.tree_id)
    gone = Decision.objects.filter(
        tree=tree, withdrawn_at=at, cluster__node__gte=nodes.start, cluster__node__lt=nodes.stop
    )
    about = {"category": tree.category.name, "round": tree.round.number, "tree": tree.pk, "because": because}
    rows = gone.order_by("pk").values_list("pk", "cluster__node", "verdict")
    told = [{"decision": pk, "node": node, "verdict": verdict, **about} for pk, node, verdict in rows]
    note_many(tree.round.project_id, Kind.CLUSTER_WITHDRAWN, told, at=at)


def is_current(tree_id: int) -> bool:
    """Whether no later round of the project was begun: earlier ones are not asked about any more."""
    round_ = Tree.objects.values_list("round__project", "round__number").get(pk=tree_id)
    return not Round.objects.filter(project=round_[0], number__gt=round_[1]).exists()
