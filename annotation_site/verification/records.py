"""What a worker's answers say of them: on gold, beside others' answers, and by the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Count, Q

from annotation_site.people.models import Membership, Standing, StandingChange, Worker
from annotation_site.people.standing import AgreementRecord, GoldRecord, PaceRecord, Record
from annotation_site.verification.models import Judgment, Says

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 400
"""Agreement and speed are judged by so many of the latest answers."""
FEWEST = 5
CLEAR = 0.8
"""Others are of one mind about a cluster when so many of them answered, and that share of them the same."""

AGREEMENT = """
WITH mine AS (
  SELECT q.cluster_id, j.says = 'yes' AS yes
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE j.worker_id = %(worker)s AND q.project_id = %(project)s AND NOT j.of_gold
    AND j.retracted_at IS NULL AND j.says <> 'unsure' AND j.at >= %(since)s
  ORDER BY j.at DESC LIMIT %(latest)s
), theirs AS (
  SELECT q.cluster_id, count(*) AS n, count(*) FILTER (WHERE j.says = 'yes') AS yes
  FROM verification_question q
  JOIN verification_judgment j ON j.question_id = q.id AND j.retracted_at IS NULL
  JOIN people_membership m ON m.worker_id = j.worker_id AND m.project_id = q.project_id
  WHERE q.cluster_id IN (SELECT cluster_id FROM mine) AND j.worker_id <> %(worker)s
    AND j.says <> 'unsure' AND m.standing = %(proven)s
  GROUP BY 1
), clear AS (
  SELECT cluster_id, yes * 2 > n AS yes, greatest(yes, n - yes)::float8 / n AS share
  FROM theirs WHERE n >= %(fewest)s AND greatest(yes, n - yes) >= %(clear)s * n
)
SELECT count(*) FILTER (WHERE mine.yes = clear.yes), count(*), coalesce(avg(clear.share), 1)
FROM mine JOIN clear USING (cluster_id)
"""

PACE = """
WITH latest AS (
  SELECT j.elapsed_ms, i.assignment_id, j.at
  FROM verification_judgment j JOIN verification_item i ON i.id = j.item_id
  JOIN verification_assignment a ON a.id = i.assignment_id
  WHERE j.worker_id = %(worker)s AND a.project_id = %(project)s AND j.at >= %(since)s
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


def record_of(membership: Membership) -> Record:
    """All that is known of a worker on a project, since they were last reinstated."""
    who = {"project_id": membership.project_id, "worker_id": membership.worker_id}
    since = _reinstated_at(membership) or BEGINNING
    pace = pace_record(**who, since=since)
    if membership.worker.provider == Worker.SIMULATED:
        pace = replace(pace, clock_ms=None)  # How fast they are, only their pages know.
    return Record(
        gold=gold_record(**who, since=since),
        agreement=agreement_record(**who, since=since),
        pace=pace,
    )


def _reinstated_at(membership: Membership) -> datetime | None:
    """When a person last let the worker begin anew: what was held against them before is settled."""
    changes = StandingChange.objects.filter(membership=membership, before=Standing.STOPPED)
    return changes.exclude(after=Standing.STOPPED).order_by("-at").values_list("at", flat=True).first()


def gold_record(*, project_id: int, worker_id: int, since: datetime | None = None) -> GoldRecord:
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
    answers = answered.exclude(unseen).aggregate(all=Count("pk"), right=Count("pk", filter=right))
    return GoldRecord(right=answers["right"], wrong=answers["all"] - answers["right"])


def agreement_record(*, project_id: int, worker_id: int, since: datetime) -> AgreementRecord:
    """How often a worker says of masks what proven workers say of others of the same cluster.

    One answer a mask is the rule, so there is seldom a second one to the same. But a cluster's sample goes to
    several people in an order that nobody chose: where they are of one mind, another should be, too.
    """
    row = _one(AGREEMENT, project_id, worker_id, since)
    return AgreementRecord(agreed=row[0], shared=row[1], expected=float(row[2]))


def pace_record(*, project_id: int, worker_id: int, since: datetime) -> PaceRecord:
    """How long a worker looked at the masks they answered last; also those that stopped counting."""
    timed, look, clock = _one(PACE, project_id, worker_id, since)
    return PaceRecord(timed=timed, look_ms=float(look), clock_ms=None if clock is None else float(clock))


def _one(sql: str, project_id: int, worker_id: int, since: datetime) -> tuple[int, int, float]:
    given: dict[str, int | float | str | datetime] = {
        "project": project_id,
        "worker": worker_id,
        "since": since,
        "latest": LATEST,
        "fewest": FEWEST,
        "clear": CLEAR,
        "proven": Standing.ACTIVE.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        found: tuple[int, int, float] = cursor.fetchone()
    return found
