"""What is done while people work: leases run out, gold and skills are looked at anew."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from annotation_site.catalog.models import Project
from annotation_site.verification.gold_review import review_gold
from annotation_site.verification.models import Assignment, AssignmentQuerySet
from annotation_site.verification.releasing import release
from annotation_site.verification.skills import learn_skills
from annotation_site.verification.trust import review_standing

logger = logging.getLogger(__name__)


def sweep(*, at: datetime) -> int:
    """Release every HIT whose lease has run out; their number. Several may sweep at the same time.

    Who leaves every HIT before its last item is reviewed like those who finish theirs. A HIT that cannot be
    released is logged and tried again by the next sweep; it holds up no other.
    """
    keys = list(_expired(at).order_by("expires_at").values_list("pk", flat=True))
    return sum(_swept(key, at) for key in keys)


def sweep_own(*, project_id: int, worker_id: int, at: datetime) -> None:
    """The same of the HIT of one worker, who comes for another one: only answers make a lease go on."""
    own = _expired(at).filter(project=project_id, worker=worker_id)
    for key in list(own.values_list("pk", flat=True)):
        _swept(key, at, wait=True)


def look_after(*, at: datetime) -> None:
    """What open projects need now and then: gold reviewed, skills learnt where votes are weighed."""
    for project in Project.objects.filter(state=Project.State.OPEN):
        review_gold(project=project, at=at)
        learn_skills(project=project, at=at)


def _expired(at: datetime) -> AssignmentQuerySet:
    return Assignment.objects.live().filter(expires_at__lte=at)


def _swept(key: int, at: datetime, *, wait: bool = False) -> bool:
    try:
        assignment = _release(key, at, wait=wait)
        if assignment is not None:
            review_standing(project_id=assignment.project_id, worker_id=assignment.worker_id, at=at)
    except Exception:  # Whatever is wrong with this one: the others' leases end.
        logger.exception("The sweep skips assignment:%s; run manage.py check_campaign on its project", key)
        return False
    return assignment is not None


@transaction.atomic
def _release(key: int, at: datetime, *, wait: bool) -> Assignment | None:
    """End one HIT; None where someone has ended or renewed it meanwhile or, without `wait`, is at it."""
    held = _expired(at).select_for_update(no_key=True, skip_locked=not wait)
    assignment = held.filter(pk=key).first()
    if assignment is not None:
        release(assignment, at=at)
    return assignment
