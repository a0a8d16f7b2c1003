"""How long a mask takes on a project: by this, and nothing else, the site turns questions into time.

What people are told before they begin, what is suggested to be paid, forecasts, and what a K_pa would bring
all go by it. Only what has happened is told by the very times of its answers.
"""

from __future__ import annotations

from django.db import connection

from annotation_site.catalog.models import Project
from annotation_site.people.models import Worker
from pipeline.metrics import SECONDS_PER_ANSWER

HITS = 20
"""The latest ones tell how long it takes now."""
ENOUGH = 100
"""Answers, before they say more than the paper."""
LONGEST_MS = 30_000
"""Of one answer: who took longer looked away, and an hour of that is not to weigh as a thousand answers."""

LATEST = """
WITH hit AS (
  SELECT a.id FROM verification_assignment a JOIN people_worker w ON w.id = a.worker_id
  WHERE a.project_id = %(project)s AND a.finished_at IS NOT NULL AND w.provider <> %(simulated)s
  ORDER BY a.id DESC LIMIT %(hits)s
)
SELECT count(*), avg(least(j.elapsed_ms, %(longest)s)) / 1000
FROM hit JOIN verification_item i ON i.assignment_id = hit.id
JOIN verification_judgment j ON j.item_id = i.id AND j.retracted_at IS NULL AND j.elapsed_ms > 0
"""


def seconds_a_mask(project: Project) -> float:
    """The mean of the latest answers that count; the paper's 2 s until there are enough of people."""
    given: dict[str, str | int] = {
        "project": project.pk,
        "simulated": Worker.SIMULATED,
        "hits": HITS,
        "longest": LONGEST_MS,
    }
    with connection.cursor() as cursor:
        cursor.execute(LATEST, given)
        answers, seconds = cursor.fetchone()
    return float(seconds) if answers >= ENOUGH else SECONDS_PER_ANSWER
