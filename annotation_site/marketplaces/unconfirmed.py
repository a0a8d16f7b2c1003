"""Ids in an address prove nothing: what nobody of the marketplace is known to have said does not count."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from annotation_site.marketplaces.models import Submission
from annotation_site.people.models import Membership
from annotation_site.verification.keeping import keep_work
from annotation_site.verification.withdrawing import retract_worker

State = Submission.State
REASON = "the marketplace never said that this worker held a place"


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
    lost = retract_worker(membership=membership, reason=REASON, at=at)
    keep_work(project_id=project, workers=[worker])
    return lost.judgments
