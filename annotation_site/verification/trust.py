"""Acting on a worker's standing: review it by their gold, stop them, let them work again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q

from annotation_site.people.models import Membership, Standing, TrustPolicy
from annotation_site.people.standing import GoldRecord, assess, change_standing
from annotation_site.verification.models import Judgment, Says
from annotation_site.verification.releasing import release_live
from annotation_site.verification.withdrawing import retract_worker


def gold_record(*, project_id: int, worker_id: int) -> GoldRecord:
    """How a worker answered the project's gold, as far as it is still in use.

    Who could not tell because there was no photo to see is not blamed.
    """
    unseen = Q(says=Says.UNSURE, item__unseen_at__isnull=False)
    right = Q(says=Says.YES, question__gold__is_correct=True) | Q(
        says=Says.NO, question__gold__is_correct=False
    )
    answered = Judgment.objects.filter(
        worker=worker_id,
        of_gold=True,
        retracted_at__isnull=True,
        question__project=project_id,
        question__gold__retired_at__isnull=True,
    )
    answers = answered.exclude(unseen).aggregate(all=Count("pk"), right=Count("pk", filter=right))
    return GoldRecord(right=answers["right"], wrong=answers["all"] - answers["right"])


def review_standing(*, project_id: int, worker_id: int, at: datetime) -> Standing:
    """Bring a worker's standing in line with their gold; called when a HIT ends, safe to repeat."""
    membership = Membership.objects.get(project=project_id, worker=worker_id)
    policy = TrustPolicy.objects.filter(project=project_id).first() or TrustPolicy(project_id=project_id)
    record = gold_record(project_id=project_id, worker_id=worker_id)
    earned, reason = assess(record, policy, current=Standing(membership.standing))
    if earned == Standing.STOPPED and membership.standing != Standing.STOPPED:
        stop_worker(membership=membership, reason=reason, at=at, retract=policy.retract_stopped)
    elif earned != membership.standing:
        change_standing(membership=membership, to=earned, reason=reason, at=at)
    return earned


@transaction.atomic
def stop_worker(
    *,
    membership: Membership,
    reason: str,
    at: datetime,
    retract: bool = False,
    since: datetime | None = None,
) -> None:
    """No new HIT for this worker, and their open one ends; what they did is paid.

    With `retract`, their judgments stop counting, from `since` on or all of them. All of this or nothing:
    who is stopped is not reviewed again, so nobody would come back for what was left undone. Safe to repeat.
    """
    change_standing(membership=membership, to=Standing.STOPPED, reason=reason, at=at)
    release_live(project_id=membership.project_id, worker_id=membership.worker_id, at=at)
    if retract:
        retract_worker(membership=membership, reason=reason, at=at, since=since)


def reinstate(*, membership: Membership, reason: str, at: datetime) -> None:
    """Let a worker answer again; judgments that were retracted stay so."""
    change_standing(membership=membership, to=Standing.ACTIVE, reason=reason, at=at)
