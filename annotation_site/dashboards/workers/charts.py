"""How a worker did over time: gold accuracy and seconds per answer, each as rows of one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Case, Value, When
from scipy.stats import beta

from annotation_site.people.models import Membership
from annotation_site.people.policies import policy_of
from annotation_site.people.standing import CONFIDENCE
from annotation_site.verification.gold_answers import RIGHT, gold_answers
from annotation_site.verification.keeping import kept_record
from annotation_site.verification.models import UNDONE
from annotation_site.verification.records import judged_since

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
    AND j.at <= %(until)s
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
    """Share of gold answered right: of the latest ones, of all so far, and what is surely surpassed.

    As in the record, counting begins anew with a reinstatement.
    """
    mine = gold_answers().filter(
        worker=member.worker_id, question__project=member.project_id, at__lte=_until(member)
    )
    rights = mine.annotate(is_right=Case(When(RIGHT, then=True), default=Value(False)))
    given = list(rights.order_by("at", "pk").values_list("at", "is_right"))
    policy = policy_of(member.project_id)
    lines = [("watched", policy.watch_below), ("stopped", policy.stop_below)]
    columns = ("at", "gold answers", f"right of the latest {WINDOW}", "right of all", "at least")
    since = judged_since(member)
    before = 0 if since is None else sum(at < since for at, _ in given)
    rows = [*_gold_rows(given[:before]), *_gold_rows(given[before:])]
    shown = np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int))
    return Chart(columns, [rows[place] for place in shown.tolist()], lines)


def _gold_rows(given: Sequence[tuple[datetime, bool]]) -> Iterator[Row]:
    """A row for each gold answer, of it and those before it."""
    right = np.array([is_right for _, is_right in given], dtype=int)
    n, total = np.arange(1, len(right) + 1), np.concatenate([[0], np.cumsum(right)])
    latest = (total[1:] - total[np.maximum(n - WINDOW, 0)]) / np.minimum(n, WINDOW)
    surpassed = np.where(total[1:] > 0, beta.ppf(1 - CONFIDENCE, total[1:], n - total[1:] + 1), 0.0)
    shares = np.column_stack([latest, total[1:] / n, np.nan_to_num(surpassed)]).round(4)
    for (at, _), count, row in zip(given, n.tolist(), shares.tolist(), strict=True):
        yield [at, count, *row]


def pace_chart(member: Membership) -> Chart:
    """The middle time of an answer, over equal numbers of answers in the order they were given."""
    given: dict[str, str | int | datetime] = {
        "points": POINTS, "worker": member.worker_id, "project": member.project_id, "undone": UNDONE,
        "until": _until(member),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(PACE, given)
        rows = [[at, count, round(float(seconds), 3)] for at, count, seconds in cursor.fetchall()]
    policy = policy_of(member.project_id)
    lines = [("watched", policy.watch_faster_ms / 1000), ("stopped", policy.stop_faster_ms / 1000)]
    return Chart(("at", "answers", "seconds, median"), rows, lines)


def _until(member: Membership) -> datetime:
    """The last answer of the record, so that a chart ends with what that says."""
    return kept_record(member).last_at or member.joined_at


CHARTS = {"gold": gold_chart, "pace": pace_chart}
"""By the names in their addresses."""
