"""How far a project is: what `manage.py status` prints, and scripts read."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Image, Project, Round, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import ORDER, orphaned
from annotation_site.verification.long_tail import long_tail
from annotation_site.verification.models import Cluster, Decision
from annotation_site.verification.yields import Masks, effort_of, masks_by_round, masks_of

NOT_BEGUN = "not begun"
ORPHANED = "interrupted"


def status(project: Project) -> dict[str, Any]:
    """The project's current round, campaign and budget as plain values."""
    round_ = current_round(project)
    return {
        "project": project.slug,
        "state": project.state,
        "round": round_.number,
        "images": _images(project),
        "stages": _stages(round_),
        "k_pa": round_.k_pa,
        "masks": Tree.objects.filter(round=round_, role="pool").aggregate(n=Sum("n"))["n"] or 0,
        "campaign": _campaign(project),
        "rounds": _rounds(project),
        "long_tail": long_tail(round_),
        "budget": _budget(project),
    }


def _images(project: Project) -> dict[str, int]:
    counted = Image.objects.filter(project=project).values_list("role").annotate(n=Count("id"))
    return dict(counted.order_by("role"))


def _stages(round_: Round) -> list[dict[str, Any]]:
    """One entry per stage, in order; a running one without a process is called interrupted."""
    runs = {run.stage: run for run in round_.stages.all()}
    left = {run.pk for run in orphaned(runs.values())}
    found: list[dict[str, Any]] = []
    for stage in ORDER:
        run = runs.get(stage)
        found.append(
            {"stage": stage.value, "state": NOT_BEGUN, "done": 0, "total": 0, "message": ""}
            if run is None
            else {
                "stage": stage.value,
                "state": ORPHANED if run.pk in left else run.state,
                "done": run.done,
                "total": run.total,
                "message": run.error or run.message,
            }
        )
    return found


def _campaign(project: Project) -> dict[str, Any]:
    """Clusters by what became of them; masks and questions as `verification.yields` defines them."""
    standing = Decision.objects.in_force().filter(tree__round__project=project)
    verdicts = dict(standing.values_list("verdict").annotate(n=Count("id")))
    accepted, rejected, split = (verdicts.get(verdict, 0) for verdict in Decision.Verdict.values)
    masks, effort = masks_of(project), effort_of(project)
    each = effort.per_mask(masks.accepted)
    return {
        "open_clusters": Cluster.objects.filter(tree__round__project=project, is_open=True).count(),
        "accepted_clusters": accepted,
        "rejected_clusters": rejected,
        "split_clusters": split,
        "accepted_masks": masks.accepted,
        "rejected_masks": masks.rejected,
        "questions": effort.questions,
        "gold_questions": effort.gold,
        "questions_per_accepted_mask": None if each is None else round(each, 4),
        "hours": round(effort.seconds / 3600, 3),
    }


def _rounds(project: Project) -> list[dict[str, int]]:
    """What each round began with and what of its masks counts today."""
    found = masks_by_round(project)
    known = dict(project.rounds.order_by("number").annotate(n=Count("known")).values_list("number", "n"))
    return [
        {
            "round": number,
            "known_objects": known[number],
            "accepted_masks": found.get(number, Masks()).accepted,
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
