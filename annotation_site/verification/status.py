"""How far a project is: what `manage.py status` prints, and scripts read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Count, Sum

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project, Round, Tree
from annotation_site.catalog.roles import image_counts
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.verification.long_tail import long_tail
from annotation_site.verification.models import Cluster, Decision
from annotation_site.verification.yields import Masks, effort_of, masks_by_round

NOT_BEGUN = "not begun"


def status(project: Project) -> dict[str, Any]:
    """The project's current round, campaign and budget as plain values."""
    round_ = current_round(project)
    masks = masks_by_round(project)
    return {
        "project": project.slug,
        "state": project.state,
        "round": round_.number,
        "images": {role: n for role, n in image_counts(project).items() if n},
        "stages": _stages(round_),
        "k_pa": round_.k_pa,
        "masks": Tree.objects.filter(round=round_, role="pool").aggregate(n=Sum("n"))["n"] or 0,
        "campaign": _campaign(project, masks.values()),
        "rounds": _rounds(project, masks),
        "long_tail": long_tail(round_),
        "budget": _budget(project),
    }


def _stages(round_: Round) -> list[dict[str, Any]]:
    """One entry per stage, in order; a running one without a process is called interrupted."""
    return [
        {
            "stage": run.stage,
            "state": NOT_BEGUN if run.pk is None else run.told,
            "done": run.done,
            "total": run.total,
            "message": run.error or run.message,
        }
        for run in rows_of(round_)
    ]


def _campaign(project: Project, masks: Collection[Masks]) -> dict[str, Any]:
    """Clusters by what became of them; masks and questions as `verification.yields` defines them."""
    standing = Decision.objects.in_force().filter(tree__round__project=project)
    verdicts = dict(standing.values_list("verdict").annotate(n=Count("id")))
    accepted, rejected, split = (verdicts.get(verdict, 0) for verdict in Decision.Verdict.values)
    effort, accepted_masks = effort_of(project), sum(one.accepted for one in masks)
    each = effort.per_mask(accepted_masks)
    return {
        "open_clusters": Cluster.objects.filter(tree__round__project=project, is_open=True).count(),
        "accepted_clusters": accepted,
        "rejected_clusters": rejected,
        "split_clusters": split,
        "accepted_masks": accepted_masks,
        "rejected_masks": sum(one.rejected for one in masks),
        "questions": effort.questions,
        "gold_questions": effort.gold,
        "questions_per_accepted_mask": None if each is None else round(each, 4),
        "hours": round(effort.seconds / 3600, 3),
    }


def _rounds(project: Project, masks: Mapping[int, Masks]) -> list[dict[str, int]]:
    """What each round began with and what of its masks counts today."""
    known = dict(project.rounds.order_by("number").annotate(n=Count("known")).values_list("number", "n"))
    return [
        {
            "round": number,
            "known_objects": known[number],
            "accepted_masks": masks.get(number, Masks()).accepted,
        }
        for number in known
    ]


def _budget(project: Project) -> dict[str, Any]:
    """Caps (None: no cap) and what of them is spent or reserved."""
    budget = budget_of(project)
    return {
        "questions": budget.questions,
        "committed_questions": budget.committed_questions,
        "money": None if budget.money is None else str(budget.money),
        "committed_money": str(budget.committed_money),
        "currency": budget.currency,
    }
