"""What a worker's answers say of them: on gold, beside others' answers, and by the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Count, Q

from annotation_site.people.models import Membership, Standing, StandingChange, Worker
from annotation_site.people.standing import AgreementRecord, GoldRecord, PaceRecord, Record
from annotation_site.verification.models import Judgment, Says
from annotation_site.verification.opinions import LATEST, OPINION, SETTINGS

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
COUNTING_NOW = "j.retracted_at IS NULL AND j.at >= %(since)s"
COUNTING_THEN = (
    "coalesce(j.retracted_at, 'infinity') >= %(until)s AND j.at >= %(since)s AND NOT j.at > %(until)s"
)
"""Answers that count, and those that did at the moment `until`."""

AGREEMENT = f"""
WITH mine AS (
  SELECT q.cluster_id, j.says = 'yes' AS yes
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE j.worker_id = %(worker)s AND q.project_id = %(project)s AND NOT j.of_gold
    AND j.says <> 'unsure' AND {{counting}}
  ORDER BY j.at DESC LIMIT %(latest)s
), {OPINION}
SELECT count(*) FILTER (WHERE mine.yes = clear.yes), count(*), coalesce(avg(clear.share), 1)
FROM mine JOIN clear USING (cluster_id)
"""

PACE = """
WITH latest AS (
  SELECT j.elapsed_ms, i.assignment_id, j.at
  FROM verification_judgment j JOIN verification_item i ON i.id = j.item_id
  JOIN verification_assignment a ON a.id = i.assignment_id
  WHERE j.worker_id = %(worker)s AND a.project_id = %(project)s AND j.at >= %(since)s AND NOT j.at > %(until)s
  ORDER BY j.at DESC LIMIT %(latest)s
), hits AS (
  SELECT extract(epoch FROM max(latest.at) - min(a.opened_at)) * 1000 AS ms, count(*) AS n
  FROM latest JOIN verification_assignment a ON a.id = latest.assignment_id
  WHERE a.opened_at >= %(since)s GROUP BY a.id
)
SELECT count(*), coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms), 0),
  (SELECT sum(ms)::float8 / sum(n) FROM hits)
FROM latest
"""


def record_of(membership: Membership, *, until: datetime | None = None) -> Record:
    """All that is known of a worker on a project, since they were last reinstated.

    With `until`, as it was then: answers that stopped counting only later are in it, gold that was retired
    later is not.
    """
    who = {"project_id": membership.project_id, "worker_id": membership.worker_id}
    since = _reinstated_at(membership, until) or BEGINNING
    pace = pace_record(**who, since=since, until=until)
    if membership.worker.provider == Worker.SIMULATED:
        pace = replace(pace, clock_ms=None)  # How fast they are, only their pages know.
    return Record(
        gold=gold_record(**who, since=since, until=until),
        agreement=agreement_record(**who, since=since, until=until),
        pace=pace,
    )


def stopped_at(membership: Membership) -> datetime | None:
    """When a member who is stopped was; None for the others."""
    if membership.standing != Standing.STOPPED:
        return None
    stops = StandingChange.objects.filter(membership=membership, after=Standing.STOPPED)
    stops = stops.exclude(before=Standing.STOPPED)
    return stops.order_by("-at", "-pk").values_list("at", flat=True).first()


def _reinstated_at(membership: Membership, until: datetime | None) -> datetime | None:
    """When a person last let the worker begin anew: what was held against them before is settled."""
    changes = StandingChange.objects.filter(membership=membership, before=Standing.STOPPED)
    if until is not None:
        changes = changes.filter(at__lt=until)
    return changes.exclude(after=Standing.STOPPED).order_by("-at").values_list("at", flat=True).first()


def gold_record(
    *, project_id: int, worker_id: int, since: datetime | None = None, until: datetime | None = None
) -> GoldRecord:
    """How a worker answered the project's gold, as far as it is still in use.

    Who could not tell because there was no photo to see is not blamed.
    """
    unseen = Q(says=Says.UNSURE, item__unseen_at__isnull=False)
    right = Q(says=Says.YES, question__gold__is_correct=True) | Q(
        says=Says.NO, question__gold__is_correct=False
    )
    answered = Judgment.objects.counting().filter(
        worker=worker_id,
        of_gold=True,
        question__project=project_id,
        question__gold__retired_at__isnull=True,
    )
    if since is not None:
        answered = answered.filter(at__gte=since)
    if until is not None:
        answered = answered.filter(at__lte=until)
    answers = answered.exclude(unseen).aggregate(all=Count("pk"), right=Count("pk", filter=right))
    return GoldRecord(right=answers["right"], wrong=answers["all"] - answers["right"])


def agreement_record(
    *, project_id: int, worker_id: int, since: datetime, until: datetime | None = None
) -> AgreementRecord:
    """How often a worker says of masks what proven workers say of others of the same cluster.

    One answer a mask is the rule, so there is seldom a second one to the same. But a cluster's sample goes to
    several people in an order that nobody chose: where they are of one mind, another should be, too.
    """
    sql = AGREEMENT.format(counting=COUNTING_NOW if until is None else COUNTING_THEN)
    row = _one(sql, project_id, worker_id, since, until)
    return AgreementRecord(agreed=row[0], shared=row[1], expected=float(row[2]))


def pace_record(
    *, project_id: int, worker_id: int, since: datetime, until: datetime | None = None
) -> PaceRecord:
    """How long a worker looked at the masks they answered last; also those that stopped counting."""
    timed, look, clock = _one(PACE, project_id, worker_id, since, until)
    return PaceRecord(timed=timed, look_ms=float(look), clock_ms=None if clock is None else float(clock))


def _one(
    sql: str, project_id: int, worker_id: int, since: datetime, until: datetime | None
) -> tuple[int, int, float]:
    given: dict[str, int | float | str | datetime] = {
        "project": project_id,
        "worker": worker_id,
        "since": since,
        "until": until or datetime.max.replace(tzinfo=UTC),
        "latest": LATEST,
        **SETTINGS,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        found: tuple[int, int, float] = cursor.fetchone()
    return found
