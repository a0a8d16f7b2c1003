"""What workers' answers say of them: how many, on gold, beside others' answers, and by the clock.

The one place that counts them: standing is judged by it, and every page, the API and its files tell of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from annotation_site.people.models import Membership, Standing, StandingChange, Worker
from annotation_site.people.standing import AgreementRecord, GoldRecord, PaceRecord, Record
from annotation_site.verification import gold_answers
from annotation_site.verification.models import UNDONE
from annotation_site.verification.opinions import LATEST, OPINION, SETTINGS

MEMBER = """
SELECT m.id, m.project_id, m.worker_id, w.provider = %(simulated)s AS is_simulated,
  coalesce(stop.at, 'infinity') AS until, coalesce(anew.at, '-infinity') AS since
FROM people_membership m
JOIN people_worker w ON w.id = m.worker_id
CROSS JOIN LATERAL (
  SELECT max(c.at) AS at FROM people_standingchange c
  WHERE c.membership_id = m.id AND m.standing = %(stopped)s
    AND c.after = %(stopped)s AND c.before <> %(stopped)s
) stop
CROSS JOIN LATERAL (
  SELECT max(c.at) AS at FROM people_standingchange c
  WHERE c.membership_id = m.id AND c.before = %(stopped)s AND c.after <> %(stopped)s
    AND c.at < coalesce(stop.at, 'infinity')
) anew
WHERE m.id = ANY(%(members)s)
"""
"""The members, and between which moments their work is looked at."""

GIVEN = """
SELECT count(*) AS answers, max(j.at) AS last_at
FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
WHERE j.worker_id = member.worker_id AND q.project_id = member.project_id
  AND j.retracted_because <> %(undone)s
"""

GOLD = f"""
SELECT count(*) FILTER (WHERE {gold_answers.IS_RIGHT}) AS "right",
  count(*) FILTER (WHERE NOT {gold_answers.IS_RIGHT}) AS wrong
{gold_answers.GIVEN} AND j.worker_id = member.worker_id AND q.project_id = member.project_id
  AND j.at BETWEEN member.since AND member.until
"""

AGREEMENT = f"""
WITH mine AS (
  SELECT q.cluster_id, j.says = 'yes' AS yes
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE j.worker_id = member.worker_id AND q.project_id = member.project_id AND NOT j.of_gold
    AND j.says <> 'unsure' AND j.at BETWEEN member.since AND member.until
    AND coalesce(j.retracted_at, 'infinity') >= member.until
  ORDER BY j.at DESC LIMIT %(latest)s
), {OPINION.format(worker="member.worker_id", project="member.project_id")}
SELECT count(*) FILTER (WHERE mine.yes = clear.yes) AS agreed, count(*) AS shared,
  coalesce(avg(clear.share), 1) AS expected
FROM mine JOIN clear USING (cluster_id)
"""
"""How often a worker says of masks what proven workers say of others of the same cluster.

One answer a mask is the rule, so there is seldom a second one to the same. But a cluster's sample goes to
several people in an order that nobody chose: where they are of one mind, another should be, too.
"""

PACE = """
WITH latest AS (
  SELECT j.elapsed_ms, i.assignment_id, j.at
  FROM verification_judgment j JOIN verification_item i ON i.id = j.item_id
  JOIN verification_assignment a ON a.id = i.assignment_id
  WHERE j.worker_id = member.worker_id AND a.project_id = member.project_id
    AND j.at BETWEEN member.since AND member.until
  ORDER BY j.at DESC LIMIT %(latest)s
), hits AS (
  SELECT extract(epoch FROM max(latest.at) - min(a.opened_at)) * 1000 AS ms, count(*) AS n
  FROM latest JOIN verification_assignment a ON a.id = latest.assignment_id
  WHERE a.opened_at >= member.since GROUP BY a.id
)
SELECT count(*) AS timed, coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms), 0) AS look_ms,
  (SELECT sum(ms)::float8 / sum(n) FROM hits) AS clock_ms
FROM latest
"""
"""How long a worker looked at the masks they answered last; also at those that stopped counting.

How fast simulated workers are, only their pages know.
"""

RECORDS = f"""
WITH member AS MATERIALIZED ({MEMBER})
SELECT member.id, given.answers, given.last_at, gold."right", gold.wrong,
  agreement.agreed, agreement.shared, agreement.expected,
  pace.timed, pace.look_ms, CASE WHEN NOT member.is_simulated THEN pace.clock_ms END
FROM member
CROSS JOIN LATERAL ({GIVEN}) given
CROSS JOIN LATERAL ({GOLD}) gold
CROSS JOIN LATERAL ({AGREEMENT}) agreement
CROSS JOIN LATERAL ({PACE}) pace
"""


def records_of(members: Collection[int]) -> dict[int, Record]:
    """Primary key of a membership -> all that is known of its work since it was last reinstated.

    Of who is stopped, as it was then: answers that stopped counting only with that are in it, gold that was
    retired later is not. Read in one statement, so that all of it is of one moment.
    """
    named: dict[str, int | float | str | list[int]] = {
        "members": list(members),
        "simulated": Worker.SIMULATED,
        "stopped": Standing.STOPPED.value,
        "undone": UNDONE,
        "latest": LATEST,
        **SETTINGS,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORDS, named)
        return {row[0]: _record(*row[1:]) for row in cursor.fetchall()}


def _record(
    answers: int,
    last_at: datetime | None,
    right: int,
    wrong: int,
    agreed: int,
    shared: int,
    expected: float,
    timed: int,
    look_ms: float,
    clock_ms: float | None,
) -> Record:
    return Record(
        answers=answers,
        last_at=last_at,
        gold=GoldRecord(right, wrong),
        agreement=AgreementRecord(agreed, shared, expected),
        pace=PaceRecord(timed, look_ms, clock_ms),
    )


def judged_since(membership: Membership) -> datetime | None:
    """When a person last let the worker begin anew: what was held against them before is settled."""
    changes = StandingChange.objects.filter(membership=membership, before=Standing.STOPPED)
    return changes.exclude(after=Standing.STOPPED).order_by("-at").values_list("at", flat=True).first()
