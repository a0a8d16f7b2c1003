"""Ids in an address prove nothing: what nobody of the marketplace is known to have said does not count.

Until somebody does: then it counts again.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from annotation_site.marketplaces.models import Submission
from annotation_site.people.models import Membership, Standing
from annotation_site.people.standing import hold_membership, note_worker
from annotation_site.verification.keeping import keep_work
from annotation_site.verification.models import UNCONFIRMED
from annotation_site.verification.withdrawing import restore_worker, retract_worker

State = Submission.State
REASON = UNCONFIRMED

logger = logging.getLogger(__name__)


def discard_unconfirmed(submission: Submission, *, at: datetime) -> int:
    """Judgments that stop counting as a place ended without a word of it; how many. Safe to repeat.

    They are those of its worker, unless the marketplace confirmed another place of theirs in the project, or
    still may: decisions that rested on them fall, and their clusters are asked about again. The caller holds
    the submission's row, and no other lock; it may wait for the budget's row afterwards.
    """
    if submission.state != State.RETURNED or submission.confirmed_at is not None:
        return 0
    worker, project = submission.worker_id, submission.listing.project_id
    theirs = Submission.objects.filter(worker=worker, listing__project=project)
    if theirs.filter(Q(confirmed_at__isnull=False) | Q(state__in=[State.ARRIVED, State.HANDED_IN])).exists():
        return 0
    membership = Membership.objects.get(worker=worker, project=project)
    hold_membership(membership)
    lost = retract_worker(membership=membership, reason=REASON, at=at)
    Submission.objects.filter(pk=submission.pk).update(discarded_at=at)
    if lost.judgments:
        told = f"{lost.judgments} answers do not count: {REASON}."
        note_worker(membership=membership, text=told, at=at, by="")
    keep_work(project_id=project, workers=[worker])
    return lost.judgments


def restore_confirmed(*, at: datetime) -> int:
    """Judgments that count again, as the marketplace has vouched for their workers since; how many.

    Open clusters are weighed again with them; what others answered or decided meanwhile stands. Of who is
    stopped nothing is restored until they are reinstated. One who cannot be restored is logged and tried
    again the next time. Safe to repeat.
    """
    vouched = Submission.objects.filter(
        worker=OuterRef("worker"),
        listing__project=OuterRef("listing__project"),
        confirmed_at__isnull=False,
    )
    due = Submission.objects.filter(Exists(vouched), discarded_at__isnull=False).order_by()
    return sum(_restored(*who, at) for who in sorted(set(due.values_list("worker", "listing__project"))))


def _restored(worker: int, project: int, at: datetime) -> int:
    try:
        return _restore(worker, project, at)
    except Exception:  # Whatever is wrong with this one: the others' answers are restored.
        logger.exception("The answers of worker:%s cannot be restored; run manage.py check_campaign", worker)
        return 0


@transaction.atomic
def _restore(worker: int, project: int, at: datetime) -> int:
    """Rows of submissions come before all locks of `verification.locks`."""
    discarded = Submission.objects.filter(
        worker=worker, listing__project=project, discarded_at__isnull=False
    ).order_by("pk")
    held = list(discarded.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    membership = Membership.objects.get(worker=worker, project=project)
    if not held or hold_membership(membership) == Standing.STOPPED:
        return 0
    restored = restore_worker(membership=membership, at=at, of=REASON)
    Submission.objects.filter(pk__in=held).update(discarded_at=None)
    if restored:
        told = f"{restored} answers count again: the marketplace said since that this worker held a place."
        note_worker(membership=membership, text=told, at=at, by="")
    keep_work(project_id=project, workers=[worker])
    return restored
