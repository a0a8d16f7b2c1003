"""What proven workers say of a cluster, where they are of one mind; and who says otherwise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection

from annotation_site.people.models import Standing
from annotation_site.verification.models import UNDONE

LATEST = 200
"""Agreement and speed are judged by so many of the latest answers."""
FEWEST = 5
CLEAR = 0.8
"""Others are of one mind about a cluster when so many of them answered, and that share of them the same."""

OPINION = """
theirs AS (
  SELECT c.cluster_id, count(*) AS n, count(*) FILTER (WHERE j.says = 'yes') AS yes
  FROM (SELECT DISTINCT cluster_id FROM mine) c
  CROSS JOIN LATERAL (SELECT id FROM verification_question WHERE cluster_id = c.cluster_id OFFSET 0) q
  CROSS JOIN LATERAL (
    SELECT worker_id, says FROM verification_judgment
    WHERE question_id = q.id AND retracted_at IS NULL OFFSET 0
  ) j
  WHERE j.worker_id <> {worker} AND j.says <> 'unsure'
    AND j.worker_id = ANY (ARRAY(
      SELECT worker_id FROM people_membership WHERE project_id = {project} AND standing = %(proven)s
    ))
  GROUP BY 1
), clear AS MATERIALIZED (
  SELECT cluster_id, yes * 2 > n AS yes, greatest(yes, n - yes) AS alike, n,
    greatest(yes, n - yes)::float8 / n AS share
  FROM theirs WHERE n >= %(fewest)s AND greatest(yes, n - yes) >= %(clear)s * n
)
"""
"""`clear`: where workers other than `{worker}` are of one mind about the clusters of `mine`.

These are all of `{project}`. Computed once: planners that expect one row of `mine` would do it for each of
them. OFFSET 0 has it go from clusters by their questions to the answers: planners would rather read all that
proven workers ever answered.
"""

OF_ONE = {"worker": "%(worker)s", "project": "%(project)s"}
SETTINGS: dict[str, int | float | str] = {"fewest": FEWEST, "clear": CLEAR, "proven": Standing.ACTIVE.value}

ON = f"""
WITH mine AS (SELECT unnest(%(clusters)s::bigint[]) AS cluster_id), {OPINION.format(**OF_ONE)}
SELECT cluster_id, yes, alike, n FROM clear
"""

OTHERWISE = f"""
WITH mine AS (
  SELECT j.id, j.question_id, q.cluster_id, j.says
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE j.worker_id = %(worker)s AND q.project_id = %(project)s AND NOT j.of_gold
    AND j.says <> 'unsure' AND j.retracted_because <> %(undone)s
  ORDER BY j.at DESC LIMIT %(latest)s
), {OPINION.format(**OF_ONE)}
SELECT mine.id FROM mine LEFT JOIN clear USING (cluster_id)
WHERE (mine.says = 'yes') <> clear.yes OR EXISTS (
  SELECT 1 FROM verification_judgment o
  WHERE o.question_id = mine.question_id AND o.worker_id <> %(worker)s AND o.retracted_at IS NULL
    AND o.says <> 'unsure' AND o.says <> mine.says
)
"""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the others say of a cluster: `alike` of `n` of them the same."""

    yes: bool
    alike: int
    n: int


def opinions_on(clusters: Collection[int], *, project_id: int, besides: int) -> dict[int, Opinion]:
    """Cluster -> what proven workers besides one say of it, where they are of one mind."""
    given = {"clusters": list(clusters), "project": project_id, "worker": besides, **SETTINGS}
    with connection.cursor() as cursor:
        cursor.execute(ON, given)
        return {cluster: Opinion(yes, alike, n) for cluster, yes, alike, n in cursor.fetchall()}


def disagreements_of(*, project_id: int, worker_id: int) -> list[int]:
    """Of a worker's latest answers on masks those that others contradict.

    About the same mask, or where proven workers are of one mind about the mask's cluster.
    """
    given = {
        "project": project_id, "worker": worker_id, "undone": UNDONE, "latest": LATEST, **SETTINGS,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(OTHERWISE, given)
        return [pk for (pk,) in cursor.fetchall()]
