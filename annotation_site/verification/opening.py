"""Opening a campaign: the candidates of every tree become clusters, their samples become questions."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.models import Project, Role, Round, Tree
from annotation_site.people.models import TrustPolicy
from annotation_site.verification import deciding
from annotation_site.verification.deciding import Outcome
from annotation_site.verification.ground import forget_grounds, ground_of, rules_of
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Cluster, Question, SearchRules
from pipeline.progress import Progress, silent, tracked

State = Project.State


class NothingToOpen(Exception):
    """The project has no trees to ask about."""


class NotOpen(Exception):
    """The campaign was never opened, so that it can be neither paused nor resumed."""


@transaction.atomic
def open_campaign(*, project: Project, at: datetime, progress: Progress = silent) -> Outcome:
    """Ask about the trees of the project's latest round; what is open already stays as it is.

    Fixes the rules of the search: later changes of the project's parameters are for later rounds. Questions
    of earlier rounds are not asked any more.

    Raises
    ------
    NothingToOpen
        When no round of the project has trees of pool images.
    ProjectArchived
    InvalidThresholds, KeyError, ValueError
        When a parameter of the project is out of range or unknown.
    """
    _hold(project)
    budget_of(project)
    TrustPolicy.objects.get_or_create(project=project)
    round_ = _round_to_open(project)
    hold_trees(Tree.objects.filter(round__project=project).values_list("pk", flat=True), alone=True)
    _fix_rules(project, round_, at)
    close_earlier(project, round_)
    opened = Outcome()
    trees = list(Tree.objects.filter(round=round_, role=Role.POOL).defer("packed").order_by("category_id"))
    for tree in tracked(trees, len(trees), progress, "Opening trees"):
        opened += _open_tree(tree, at)
    Project.objects.filter(pk=project.pk).update(state=State.OPEN)
    project.state = State.OPEN
    return opened


@transaction.atomic
def open_long_tail(*, project: Project, at: datetime) -> Outcome:
    """Ask about the latest round's categories without a cluster, mask by mask, once no cluster is left.

    Raises
    ------
    NotOpen, ProjectArchived
    """
    _hold(project)
    round_ = _round_to_open(project)
    if not SearchRules.objects.filter(round=round_).update(long_tail=True):
        raise NotOpen(f"{project} was never opened: run `manage.py open {project.slug}` first.")
    Project.objects.filter(pk=project.pk).update(long_tail=True)
    project.long_tail = True
    forget_grounds()
    trees = Tree.objects.filter(round=round_, role=Role.POOL).defer("packed").order_by("category_id")
    hold_trees(trees.values_list("pk", flat=True), alone=True)
    return sum((_open_tree(tree, at) for tree in list(trees)), start=Outcome())


def pause_campaign(*, project: Project) -> None:
    """No new HITs; answers to those already open still count.

    Raises
    ------
    NotOpen, ProjectArchived
    """
    _switch(project, State.PAUSED)


def resume_campaign(*, project: Project) -> None:
    """New HITs again.

    Raises
    ------
    NotOpen, ProjectArchived
    """
    _switch(project, State.OPEN)


def _hold(project: Project) -> None:
    """Hold a project's row until the transaction ends: nobody puts it away meanwhile, nor has."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    check_in_use(project)


@transaction.atomic
def _switch(project: Project, state: Project.State) -> None:
    _hold(project)
    changed = Project.objects.filter(pk=project.pk).exclude(state=State.DRAFT).update(state=state)
    if not changed:
        raise NotOpen(f"{project} was never opened: run `manage.py open {project.slug}` first.")
    project.state = state


def _round_to_open(project: Project) -> Round:
    """The latest round. A later one may have found nothing but objects that were known."""
    round_ = project.rounds.order_by("-number").first()
    if round_ is None or not (_has_pool(round_) or round_.known.exists()):
        raise NothingToOpen(
            f"{project} has no trees of pool images: run `manage.py cluster {project.slug}` first."
        )
    return round_


def _has_pool(round_: Round) -> bool:
    return round_.trees.filter(role=Role.POOL).exists()


def _fix_rules(project: Project, round_: Round, at: datetime) -> None:
    if not SearchRules.objects.filter(round=round_).exists():
        rules = rules_of(project, round_)
        rules.opened_at = at
        rules.save()
        forget_grounds()  # An opening that was rolled back may have left trees with other rules in memory.


def close_earlier(project: Project, round_: Round) -> None:
    """What earlier rounds left open is not asked any more: the same images are predicted anew.

    The caller holds the earlier trees alone.
    """
    earlier = Tree.objects.filter(round__project=project).exclude(round=round_)
    Cluster.objects.filter(tree__in=earlier, is_open=True).update(is_open=False)
    Question.objects.filter(tree__in=earlier, wanted__gt=0).update(wanted=0, turn=0)


def _open_tree(tree: Tree, at: datetime) -> Outcome:
    if Cluster.objects.filter(tree=tree).exists():
        return Outcome()
    return deciding.write(tree.pk, ground_of(tree.pk).candidates(below=None), at=at)
