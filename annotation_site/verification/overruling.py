"""An admin's verdict by hand over a cluster, a part of one or a single mask: with a reason, undone again.

What people decided stays as it is: an overruling lies over it, and the innermost one that stands says what
became of a mask. Nobody is asked about what a verdict covers. A reopening withdraws the decision instead,
sets aside the answers that it rested on, and asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from annotation_site.catalog.models import Role, Tree
from annotation_site.people.models import Membership, Standing
from annotation_site.verification import deciding
from annotation_site.verification.by_hand import by_hand_in
from annotation_site.verification.fold import open_nodes
from annotation_site.verification.ground import ground_of, leaves_of
from annotation_site.verification.keeping import keep_work
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import (
    SET_ASIDE,
    Assignment,
    Cluster,
    Decision,
    Judgment,
    Overruling,
    Question,
    SearchRules,
)
from annotation_site.verification.releasing import release
from annotation_site.verification.withdrawing import is_current, reconsider, withdraw
from pipeline.decisions import Verdict

__all__ = ["CannotOverrule", "overrule", "reopen", "undo_overruling"]

Verdicts = Overruling.Verdict


class CannotOverrule(Exception):
    """The verdict was not recorded; the message says why and what to do."""


@transaction.atomic
def overrule(
    *, tree: Tree, node: int, verdict: str, reason: str, by: AbstractBaseUser, at: datetime
) -> Overruling:
    """Accept or reject the masks of a node, whatever people said or will say of them.

    Earlier verdicts by hand on the node and inside it are replaced. Masks of an accepted node that people
    refused one by one stay refused; only a verdict on the very mask changes that.

    Raises
    ------
    CannotOverrule
        When the tree has no such node, it is of held-out images, or no reason is given.
    ValueError
        When `verdict` is neither accept nor reject.
    """
    if verdict not in (Verdicts.ACCEPT, Verdicts.REJECT):
        raise ValueError(f"A verdict by hand is accept or reject, not {verdict!r}.")
    hold_trees([tree.pk], alone=True)
    made = _record(tree, node, verdict, reason, by, at)
    _close(tree.pk, made.lo, made.hi)
    return made


@transaction.atomic
def reopen(*, tree: Tree, node: int, reason: str, by: AbstractBaseUser, at: datetime) -> Overruling:
    """Ask people anew about a decided cluster, or about a single mask.

    Verdicts by hand on it and inside it are replaced. Of a cluster the decision and those below are
    withdrawn, and the answers on its sample are set aside; of a mask the answers on it, and an accept or
    reject falls that does not hold without them. Splits above stay. Whoever has just answered one of those
    questions has their HIT ended; what they did is kept and paid.

    Raises
    ------
    CannotOverrule
        As `overrule`; also when people cannot be asked: the node is open already, was never asked about and
        not overruled, lies under a larger verdict by hand, or a later round is open.
    """
    lo, hi = _interval(tree, node)
    positions = _asked_for(tree, node, lo, hi)
    live = _hold_live(tree, positions)
    hold_trees([tree.pk, *_trees_of(live)], alone=True)
    _refuse_reopening(tree, node, lo, hi)
    for assignment in live:
        release(assignment, at=at)
    made = _record(tree, node, Verdicts.REOPEN, reason, by, at)
    _set_aside(made, positions, at)
    cluster = Cluster.objects.filter(tree=tree, node=node).first()
    if cluster is not None:
        withdraw(cluster, ground_of(tree.pk), f"reopened by hand: {reason}", at)
    reconsider(tree.pk, positions, because=f"a mask was reopened by hand: {reason}", at=at)
    _ask_again(tree, lo, hi, at)
    keep_work(project_id=tree.round.project_id, workers=[assignment.worker_id for assignment in live])
    return made


@transaction.atomic
def undo_overruling(*, overruling: Overruling, by: AbstractBaseUser, at: datetime) -> None:
    """Let people's decisions count again; what it had replaced stands again. Safe to repeat.

    The answers that a reopening set aside count again, unless the same person answered anew or was stopped.

    Raises
    ------
    CannotOverrule
        When a later verdict replaced it: that one is to be undone first.
    """
    tree = Tree.objects.defer("packed").get(pk=overruling.tree_id)
    hold_trees([tree.pk], alone=True)
    overruling.refresh_from_db()
    if overruling.undone_at is not None:
        return
    if overruling.replaced_by_id is not None:
        raise CannotOverrule("A later verdict by hand replaced this one: undo that one first.")
    overruling.undone_at, overruling.undone_by_id = at, by.pk
    overruling.save(update_fields=["undone_at", "undone_by"])
    _restore(overruling)
    positions = _take_back(overruling) if overruling.verdict == Verdicts.REOPEN else []
    reconsider(tree.pk, positions, because="answers count again that had been set aside", at=at)
    _ask_again(tree, overruling.lo, overruling.hi, at)


def _interval(tree: Tree, node: int) -> tuple[int, int]:
    if tree.role != Role.POOL:
        raise CannotOverrule(
            "Masks of held-out images are no part of the result: there is nothing to overrule."
        )
    dendrogram, _ = leaves_of(tree.pk)
    if not 0 <= node < len(dendrogram.lo):
        raise CannotOverrule(f"This tree has no node {node}; its last one is {len(dendrogram.lo) - 1}.")
    return int(dendrogram.lo[node]), int(dendrogram.hi[node])


def _record(
    tree: Tree, node: int, verdict: str, reason: str, by: AbstractBaseUser, at: datetime
) -> Overruling:
    """The new verdict, and those on the node and inside it replaced by it."""
    if not reason.strip():
        raise CannotOverrule("Give a reason: it is what others will know of this verdict.")
    lo, hi = _interval(tree, node)
    inside = Overruling.objects.standing().verdicts().filter(tree=tree, lo__gte=lo, hi__lte=hi)
    before = Overruling.objects.filter(pk__in=list(inside.values_list("pk", flat=True)))
    before.update(replaced_by=F("pk"))  # One verdict of a node stands: they step down before it is there.
    made = Overruling.objects.create(
        tree=tree, node=node, lo=lo, hi=hi, verdict=verdict, reason=reason.strip()[:500], by_id=by.pk, at=at
    )
    before.update(replaced_by=made)
    return made


def _restore(undone: Overruling) -> None:
    """What it replaced stands again, unless a verdict that came later covers it."""
    for one in Overruling.objects.filter(replaced_by=undone).order_by("-pk"):
        later = Overruling.objects.standing().filter(
            tree=one.tree_id, lo__lte=one.lo, hi__gte=one.hi, pk__gt=one.pk
        )
        one.replaced_by = later.verdicts().order_by("pk").first()
        one.save(update_fields=["replaced_by"])
        if one.replaced_by is None:
            _close(one.tree_id, one.lo, one.hi)


def _close(tree_id: int, lo: int, hi: int) -> None:
    """Nobody is asked any more about the clusters within [lo, hi)."""
    inside = Cluster.objects.filter(tree=tree_id, is_open=True, lo__gte=lo, hi__lte=hi)
    closed = list(inside.values_list("pk", flat=True))
    Question.objects.filter(cluster__in=closed, wanted__gt=0).update(wanted=0, turn=0)
    Cluster.objects.filter(pk__in=closed).update(is_open=False)


def _ask_again(tree: Tree, lo: int, hi: int, at: datetime) -> None:
    """Open what the facts leave open within [lo, hi), as far as anybody is asked about this tree."""
    if not SearchRules.objects.filter(round=tree.round_id).exists() or not is_current(tree.pk):
        return
    ground = ground_of(tree.pk)
    standing = Decision.objects.in_force().filter(tree=tree).values_list("cluster__node", "verdict")
    decided = {node: Verdict(verdict) for node, verdict in standing}
    nodes = open_nodes(ground, decided, by_hand_in(tree.pk))
    inside = [node for node in nodes if lo <= ground.tree.lo[node] and ground.tree.hi[node] <= hi]
    deciding.write(tree.pk, inside, at=at)


def _asked_for(tree: Tree, node: int, lo: int, hi: int) -> list[int]:
    """The positions whose answers a reopening sets aside."""
    if Cluster.objects.filter(tree=tree, node=node).exists():
        return [int(position) for position in ground_of(tree.pk).sample(node)]
    return [lo] if hi - lo == 1 else []


def _refuse_reopening(tree: Tree, node: int, lo: int, hi: int) -> None:
    if not SearchRules.objects.filter(round=tree.round_id).exists():
        raise CannotOverrule("The campaign is not open yet: nobody was asked.")
    if not is_current(tree.pk):
        raise CannotOverrule(
            "A later round is open: nobody is asked about this one. Accept or reject by hand."
        )
    around = Overruling.objects.standing().verdicts().filter(tree=tree, lo__lte=lo, hi__gte=hi)
    if larger := around.exclude(lo=lo, hi=hi).first():
        raise CannotOverrule(
            f"It lies in node {larger.node}, which has a verdict by hand: undo that one first."
        )
    if around.filter(lo=lo, hi=hi).exists():
        return
    if Cluster.objects.filter(tree=tree, node=node, is_open=True).exists():
        raise CannotOverrule("It is open: people are being asked.")
    decided = Decision.objects.in_force().filter(tree=tree, cluster__node=node)
    answered = Judgment.objects.counting().filter(question__tree=tree, question__position=lo)
    if not (decided.exists() or (hi - lo == 1 and answered.exists())):
        raise CannotOverrule("Nobody was asked about it: there is no decision to reopen.")


def _hold_live(tree: Tree, positions: Sequence[int]) -> list[Assignment]:
    """The HITs under way that hold an answer to one of the masks, locked in order."""
    answers = Judgment.objects.counting().filter(question__tree=tree, question__position__in=list(positions))
    held = answers.values("item__assignment")
    live = Assignment.objects.live().filter(pk__in=held).order_by("pk").select_for_update(no_key=True)
    return list(live)


def _trees_of(live: Sequence[Assignment]) -> list[int]:
    items = Question.objects.filter(items__assignment__in=live, tree__isnull=False).order_by()
    return [tree for tree in items.values_list("tree", flat=True).distinct() if tree is not None]


def _mark(overruling: Overruling) -> str:
    """How judgments say which reopening set them aside."""
    return f"{SET_ASIDE}, number {overruling.pk}:"


def _set_aside(made: Overruling, positions: Sequence[int], at: datetime) -> None:
    """The answers on the masks stop counting, but for those of HITs that began meanwhile: they come anew."""
    answers = Judgment.objects.counting().filter(
        question__tree=made.tree_id, question__position__in=list(positions), of_gold=False
    )
    over = answers.filter(
        Q(item__assignment__finished_at__isnull=False) | Q(item__assignment__released_at__isnull=False)
    )
    over.update(retracted_at=at, retracted_because=f"{_mark(made)} {made.reason}"[:200])


def _take_back(overruling: Overruling) -> list[int]:
    """The answers that it set aside count again; the positions they are about."""
    back = _of_people_in_standing(Judgment.objects.filter(retracted_because__startswith=_mark(overruling)))
    keys, positions = [], set()
    for key, position in back.values_list("pk", "question__position"):
        keys.append(key)
        positions.add(position)
    Judgment.objects.filter(pk__in=keys).update(retracted_at=None, retracted_because="")
    return sorted(position for position in positions if position is not None)


def _of_people_in_standing(judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
    """Those whose worker has neither answered the question again nor been stopped."""
    counting = Judgment.objects.counting()
    again = counting.filter(question=OuterRef("question"), worker=OuterRef("worker"))
    stopped = Membership.objects.filter(
        project=OuterRef("question__project"), worker=OuterRef("worker"), standing=Standing.STOPPED
    )
    on_item = counting.filter(item=OuterRef("item"))
    return judgments.filter(~Exists(again), ~Exists(on_item), ~Exists(stopped))
