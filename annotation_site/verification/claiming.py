"""A worker opens a HIT: which questions it holds is decided now, by one claim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from annotation_site.budget import caps, ledger
from annotation_site.budget.terms import Terms
from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification.policy import admit
from annotation_site.people.standing import WorkerStopped, hold_membership
from annotation_site.verification.gold_questions import gold_for
from annotation_site.verification.gold_review import masks_seen_as_gold
from annotation_site.verification.leases import sweep_own
from annotation_site.verification.leaving import passed_over
from annotation_site.verification.locks import hold_worker
from annotation_site.verification.models import Assignment, AssignmentQuerySet, Cluster, Item

HORIZON = 8
"""The claim looks at so many times the questions it needs, to spread them over clusters."""
SPREAD = 10
"""At most one in so many questions of a HIT are about the same cluster, where others wait."""
LEAST = 5
"""Questions that may turn out in vain only fill a HIT up to one in so many of its places."""
TRIES = 3
"""A question that was locked when the claim came by is looked at again so many times."""


class NoHit(Exception):
    """No HIT can be opened; the message may be shown to the worker."""


class NothingToAsk(NoHit):
    """Nothing is open to this worker; `later` says whether answers of others may change that."""

    def __init__(self, project: Project, *, later: bool) -> None:
        reason = "the others are at work on what is left" if later else "every question is answered"
        super().__init__(f"There is nothing to ask on {project}: {reason}.")
        self.later = later


class CampaignPaused(NoHit):
    """The campaign is not open."""


CLAIM = """
WITH waiting AS (
  SELECT q.id, q.cluster_id, q.turn, q.priority, q.rank
  FROM verification_question q
  WHERE q.project_id = %(project)s AND q.wanted > q.taken AND NOT EXISTS (
    SELECT 1 FROM verification_judgment j
    WHERE j.question_id = q.id AND j.worker_id = %(worker)s AND j.retracted_at IS NULL AND NOT j.of_gold
  ) AND q.id <> ALL(%(held)s) AND q.mask_id <> ALL(%(known)s)
  ORDER BY q.project_id, q.turn, q.priority DESC, q.rank, q.id LIMIT %(horizon)s
), spread AS (
  SELECT id, turn, priority, rank,
    row_number() OVER (PARTITION BY cluster_id ORDER BY turn, rank) > %(most)s AS surplus
  FROM waiting
), chosen AS (
  SELECT id, turn, row_number() OVER (ORDER BY turn, surplus, priority DESC, rank, id) AS place FROM spread
), claimed AS (
  SELECT q.id FROM verification_question q JOIN chosen USING (id)
  WHERE chosen.place <= %(limit)s AND (chosen.turn = 0 OR chosen.place <= %(least)s) AND q.wanted > q.taken
  FOR NO KEY UPDATE OF q SKIP LOCKED
)
UPDATE verification_question q SET taken = q.taken + 1 FROM claimed
WHERE q.id = claimed.id RETURNING q.id, q.category_id
"""


def claim_hit(
    *,
    membership: Membership,
    at: datetime,
    rng: np.random.Generator | None = None,
    terms: Terms | None = None,
) -> Assignment:
    """The worker's HIT: the one they have, else a new one with the best questions nobody works on.

    Coming for it makes no lease go on, else a HIT could be held for good without an answer. One whose lease
    has run out is ended, in a transaction of its own: who answers late holds the worker and may wait for its
    row.

    Gold hides at random places. What the HIT may cost is reserved before it opens; the last one of a budget
    may be shorter.

    Parameters
    ----------
    terms : how a new HIT is paid, where not as the project's budget says

    Raises
    ------
    WorkerStopped, CampaignPaused, BudgetSpent, NothingToAsk
        When there is no HIT for this worker now.
    NotQualified
        When they have to pass the project's test first.
    MustWait
        When they left page after page untouched.
    """
    randomness = rng or np.random.default_rng()
    project = Project.objects.get(pk=membership.project_id)
    sweep_own(project_id=project.pk, worker_id=membership.worker_id, at=at)
    try:
        with transaction.atomic():
            _hold_who_may_work(membership)
            hold_worker(membership.worker_id)
            held = _live(membership).first()
            return held or _open_hit(membership, project, at, randomness, terms)
    except ledger.BudgetSpent:
        ledger.note_refusal(project_id=project.pk, at=at)
        raise


def _live(membership: Membership) -> AssignmentQuerySet:
    return Assignment.objects.live().filter(project=membership.project_id, worker=membership.worker_id)


def _hold_who_may_work(membership: Membership) -> None:
    """Nobody is stopped from here on until their HIT is there to be ended."""
    membership.standing = hold_membership(membership)
    if membership.standing == Standing.STOPPED:
        raise WorkerStopped("You cannot take more work on this project. What you did is kept and paid.")


def _open_hit(
    membership: Membership, project: Project, at: datetime, rng: np.random.Generator, terms: Terms | None
) -> Assignment:
    if project.state != Project.State.OPEN:
        raise CampaignPaused(f"{project} is not open right now. Come back later.")
    admit(membership=membership, at=at)
    budget = caps.locked_budget(project.pk)
    size = ledger.affordable(budget, at_most=project.hit_size, terms=terms)
    if size == 0:
        raise ledger.BudgetSpent(f"The budget of {project} is spent or reserved for open HITs.")
    share = _gold_share(membership, project)
    real = _claim_for(membership, project, at, limit=max(1, size - round(size * share)))
    if not real:
        raise NothingToAsk(project, later=_anything_open(project))
    gold = gold_for(membership, beside=dict(real), share=share, room=size - len(real), rng=rng)
    asked = [question for question, _ in real] + gold
    assignment = _write(membership, project, asked, at, rng)
    ledger.reserve(budget=budget, questions=len(asked), reference=assignment.reference, at=at, terms=terms)
    return assignment


def _gold_share(membership: Membership, project: Project) -> float:
    """Twice the usual share for those on probation; never all of a HIT."""
    watched = membership.standing == Standing.PROBATION
    return min(project.gold_share * (2 if watched else 1), 0.9)


def _claim_for(
    membership: Membership, project: Project, at: datetime, *, limit: int
) -> list[tuple[int, int]]:
    """Take questions; those that the worker left untouched only where there is nothing else."""
    for passed in passed_over(membership, at=at):
        if real := _claim(project, membership.worker_id, limit=limit, passed=passed):
            return real
    return []


def _claim(
    project: Project, worker_id: int, *, limit: int, passed: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Take up to `limit` questions for a worker, best first and none of `passed`: (question, category)."""
    claimed: list[tuple[int, int]] = []
    known = masks_seen_as_gold(project_id=project.pk, worker_id=worker_id)
    for _ in range(TRIES):
        missing = limit - len(claimed)
        if missing:
            held = [question for question, _ in claimed]
            claimed.extend(_claim_once(project, worker_id, missing, held, known, passed))
    return claimed


def _claim_once(
    project: Project,
    worker_id: int,
    limit: int,
    held: Sequence[int],
    known: Sequence[int],
    passed: Sequence[int],
) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "project": project.pk,
                "worker": worker_id,
                "held": [*held, *passed],
                "known": list(known),
                "horizon": HORIZON * project.hit_size,
                "most": max(1, -(-project.hit_size // SPREAD)),
                "least": min(limit, -(-project.hit_size // LEAST) - len(held)),
                "limit": limit,
            },
        )
        return [(question, category) for question, category in cursor.fetchall()]


def _anything_open(project: Project) -> bool:
    return Cluster.objects.filter(tree__round__project=project, is_open=True).exists()


def _write(
    membership: Membership,
    project: Project,
    question_ids: Sequence[int],
    at: datetime,
    rng: np.random.Generator,
) -> Assignment:
    """The assignment and its items in mixed order."""
    assignment = Assignment.objects.create(
        project=project,
        worker_id=membership.worker_id,
        opened_at=at,
        expires_at=at + timedelta(minutes=project.lease_minutes),
    )
    order = rng.permutation(len(question_ids))
    Item.objects.bulk_create(
        Item(assignment=assignment, index=index, question_id=question_ids[place])
        for index, place in enumerate(order.tolist())
    )
    return assignment
