"""Leases run out: the HIT is released, and its worker's standing reviewed as after any other."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.verification.models import Assignment
from annotation_site.verification.releasing import release
from annotation_site.verification.trust import review_standing


def sweep(*, at: datetime) -> int:
    """Release every HIT whose lease has run out; their number. Several may sweep at the same time.

    Who leaves every HIT before its last item is reviewed like those who finish theirs.
    """
    released = 0
    while (assignment := _sweep_one(at)) is not None:
        released += 1
        review_standing(project_id=assignment.project_id, worker_id=assignment.worker_id, at=at)
    return released


@transaction.atomic
def _sweep_one(at: datetime) -> Assignment | None:
    expired = Assignment.objects.live().filter(expires_at__lte=at).order_by("expires_at")
    assignment = expired.select_for_update(no_key=True, skip_locked=True).first()
    if assignment is not None:
        release(assignment, at=at)
    return assignment
