"""How a worker did over time: gold accuracy and seconds per answer, each as rows of one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Q
from scipy.stats import beta

from annotation_site.dashboards.workers.answers import MISSED
from annotation_site.people.models import Membership
from annotation_site.people.policies import policy_of
from annotation_site.people.standing import CONFIDENCE
from annotation_site.verification.models import UNDONE, Judgment, Says

POINTS = 200
"""Of a curve: more than anyone can tell apart on a phone."""
WINDOW = 20
"""Gold answers that the moving share is taken over."""
Row = Sequence[Any]

PACE = """
WITH mine AS (
  SELECT j.at, j.elapsed_ms, ntile(%(points)s) OVER (ORDER BY j.at, j.id) AS part
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE j.worker_id = %(worker)s AND q.project_id = %(project)s AND j.retracted_because <> %(undone)s
)
SELECT max(at), count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms) / 1000.0
FROM mine GROUP BY part ORDER BY part
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows that begin with a time; `lines` are the thresholds that are drawn beside them."""

    columns: Sequence[str]
    rows: Sequence[Row]
    lines: Sequence[tuple[str, float]] = ()

    def as_json(self) -> dict[str, Any]:
        """For the script that draws it; times in seconds since 1970."""
        rows = [[row[0].timestamp(), *row[1:]] for row in self.rows]
        return {"rows": rows, "lines": list(self.lines)}

    def table(self) -> list[Row]:
        """For CSV, its names first."""
        return [self.columns, *([row[0].isoformat(timespec="seconds"), *row[1:]] for row in self.rows)]


def gold_chart(member: Membership) -> Chart:
    """Share of gold answered right: of the latest ones, of all so far, and what is surely surpassed."""
    answers = Judgment.objects.counting().filter(
        worker=member.worker_id,
        of_gold=True,
        question__project=member.project_id,
        question__gold__retired_at__isnull=True,
    )
    seen = answers.exclude(Q(says=Says.UNSURE, item__unseen_at__isnull=False))
    at: list[datetime] = list(seen.order_by("at", "pk").values_list("at", flat=True))
    missed = set(seen.filter(MISSED).values_list("pk", flat=True))
    right = np.array([pk not in missed for pk in seen.order_by("at", "pk").values_list("pk", flat=True)])
    policy = policy_of(member.project_id)
    lines = [("watched", policy.watch_below), ("stopped", policy.stop_below)]
    columns = ("at", "gold answers", f"right of the latest {WINDOW}", "right of all", "at least")
    if not len(right):
        return Chart(columns, [], lines)
    n = np.arange(1, len(right) + 1)
    total = np.concatenate([[0], np.cumsum(right)])
    latest = (total[1:] - total[np.maximum(n - WINDOW, 0)]) / np.minimum(n, WINDOW)
    surpassed = np.where(total[1:] > 0, beta.ppf(1 - CONFIDENCE, total[1:], n - total[1:] + 1), 0.0)
    shown = np.unique(np.linspace(0, len(n) - 1, min(POINTS, len(n))).round().astype(int))
    shares = np.column_stack([latest, total[1:] / n, np.nan_to_num(surpassed)]).round(4)
    return Chart(columns, [[at[i], int(n[i]), *shares[i].tolist()] for i in shown.tolist()], lines)


def pace_chart(member: Membership) -> Chart:
    """The middle time of an answer, over equal numbers of answers in the order they were given."""
    given: dict[str, str | int] = {
        "points": POINTS, "worker": member.worker_id, "project": member.project_id, "undone": UNDONE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(PACE, given)
        rows = [[at, count, round(float(seconds), 3)] for at, count, seconds in cursor.fetchall()]
    policy = policy_of(member.project_id)
    lines = [("watched", policy.watch_faster_ms / 1000), ("stopped", policy.stop_faster_ms / 1000)]
    return Chart(("at", "answers", "seconds, median"), rows, lines)


CHARTS = {"gold": gold_chart, "pace": pace_chart}
"""By the names in their addresses."""
