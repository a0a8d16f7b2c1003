"""A round has nothing left to ask: webhooks are told, and told again when that is so after more decisions."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.verification.models import Assignment, Cluster, Decision
from annotation_site.verification.yields import Masks, masks_by_round
from annotation_site.webhooks.models import Kind
from annotation_site.webhooks.noting import is_news, note_once


def note_finished_rounds(*, at: datetime) -> int:
    """Note the current rounds that are finished, where webhooks want to know; how many were news."""
    wanting = Project.objects.filter(
        state=Project.State.OPEN,
        webhooks__kinds__contains=[Kind.ROUND_FINISHED],
        webhooks__disabled_at__isnull=True,
    )
    latest = [current_round(project) for project in wanting.order_by("pk").distinct()]
    return sum(note_finished(round_, at=at) for round_ in latest if _is_finished(round_))


def _is_finished(round_: Round) -> bool:
    opened = round_.stages.filter(stage=StageRun.Stage.OPEN, state=StageRun.State.DONE)
    return (
        opened.exists()
        and not Cluster.objects.filter(tree__round=round_, is_open=True).exists()
        and not Assignment.objects.live().filter(project=round_.project_id).exists()
    )


@transaction.atomic
def note_finished(round_: Round, *, at: datetime) -> bool:
    """Note that nobody is asked about a round any more; whether that is news."""
    last = Decision.objects.filter(tree__round=round_).aggregate(last=Max("pk"))["last"]
    name = f"round.finished:{round_.number}:{last}"
    if not is_news(round_.project_id, Kind.ROUND_FINISHED, name):
        return False
    masks = masks_by_round(round_.project).get(round_.number, Masks())
    told = {"round": round_.number, "accepted": masks.accepted, "rejected": masks.rejected}
    return note_once(round_.project_id, Kind.ROUND_FINISHED, name, told, at=at)
