"""How long a mask takes on a project, for what people are told and offered before they begin."""

from __future__ import annotations

from django.db import connection

from annotation_site.catalog.models import Project
from annotation_site.people.models import Worker

SECONDS_A_MASK = 2.0
"""A yes or no with its moment of looking (paper, Sec. 5.2)."""
HITS = 20
"""The latest ones tell how long it takes now."""
ENOUGH = 100
"""Answers, before they say more than the paper."""

LATEST = """
WITH hit AS (
  SELECT a.id FROM verification_assignment a JOIN people_worker w ON w.id = a.worker_id
  WHERE a.project_id = %(project)s AND a.finished_at IS NOT NULL AND w.provider <> %(simulated)s
  ORDER BY a.id DESC LIMIT %(hits)s
)
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY j.elapsed_ms) / 1000
FROM hit JOIN verification_item i ON i.assignment_id = hit.id
JOIN verification_judgment j ON j.item_id = i.id AND j.retracted_at IS NULL
"""


def seconds_a_mask(project: Project) -> float:
    """The middle time of the latest answers that count; the paper's until there are enough of people."""
    given: dict[str, str | int] = {"project": project.pk, "simulated": Worker.SIMULATED, "hits": HITS}
    with connection.cursor() as cursor:
        cursor.execute(LATEST, given)
        answers, seconds = cursor.fetchone()
    return float(seconds) if answers >= ENOUGH else SECONDS_A_MASK
