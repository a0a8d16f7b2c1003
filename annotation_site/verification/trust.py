"""Acting on a worker's standing: review it by their work, stop them, let them work again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.budget.terms import Partial
from annotation_site.people.models import Membership, Standing, WorkRecord
from annotation_site.people.policies import policy_of
from annotation_site.people.standing import assess, change_standing, hold_membership, note_worker
from annotation_site.verification.keeping import keep_records
from annotation_site.verification.releasing import release_live
from annotation_site.verification.withdrawing import Retraction, restore_worker, retract_worker

__all__ = ["note_worker", "reinstate_worker", "review_standing", "stop_worker"]


def review_standing(*, project_id: int, worker_id: int, at: datetime) -> Standing:
    """Bring a worker's standing in line with their work, and keep their record; safe to repeat.

    Called when a HIT ends.
    """
    membership = Membership.objects.select_related("worker").get(project=project_id, worker=worker_id)
    policy = policy_of(project_id)
    record = keep_records([membership.pk])[membership.pk]
    with transaction.atomic():
        current = hold_membership(membership)
        if current != membership.standing:  # Somebody decided while their work was counted.
            return current
        earned, reason = assess(record, policy, current=current)
        if earned == Standing.STOPPED and current != Standing.STOPPED:
            stop_worker(membership=membership, reason=reason, at=at, retract=policy.retract_stopped)
        elif earned != current:
            change_standing(membership=membership, to=earned, reason=reason, at=at)
    return earned


@transaction.atomic
def stop_worker(
    *,
    membership: Membership,
    reason: str,
    at: datetime,
    by: str = "",
    retract: bool = True,
    since: datetime | None = None,
) -> Retraction:
    """No new HIT for this worker, and their open one ends; what they did is paid.

    Their judgments stop counting, from `since` on or all of them, unless `retract` is False; decisions that
    do not hold without them are withdrawn. All of this or nothing: who is stopped is not reviewed again, so
    nobody would come back for what was left undone. Safe to repeat, also to retract what was left before.

    Parameters
    ----------
    by : the name of the user who does it; empty for the site itself

    Returns
    -------
    the judgments that stopped counting, and the decisions that were withdrawn
    """
    change_standing(membership=membership, to=Standing.STOPPED, reason=reason, by=by, at=at)
    if retract:  # It ends the HIT, too, once it holds all trees: the budget comes after them.
        lost = retract_worker(membership=membership, reason=reason, at=at, since=since)
    else:
        lost = Retraction(0, 0)
        release_live(
            project_id=membership.project_id, worker_id=membership.worker_id, at=at, partial=Partial.SHARE
        )
    keep_records([membership.pk])
    return lost


@transaction.atomic
def reinstate_worker(
    *, membership: Membership, reason: str, at: datetime, by: str = "", restore: bool = False
) -> None:
    """Let a stopped worker answer again; they are judged by what they do from now on. Safe to repeat.

    With `restore`, the judgments that a stop retracted count again, where nothing else took their place.
    """
    if hold_membership(membership) == Standing.STOPPED:
        change_standing(membership=membership, to=Standing.QUALIFIED, reason=reason, by=by, at=at)
    if restore:
        restore_worker(membership=membership, at=at)
    keep_records([membership.pk])
    WorkRecord.objects.filter(membership=membership).update(doubt="")
