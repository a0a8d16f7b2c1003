"""How a project's crowd answers gold: over time, and as far as its votes are concerned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from annotation_site.catalog.models import Project
from annotation_site.verification import gold_answers
from pipeline.shares import Share, estimated

STRETCHES, FEWEST = 40, 25
"""Of gold answers: as many stretches at most, of so many at least; fewer tell too little."""
ASSUMED = 20
"""The accuracy that the project assumes counts as so many votes on gold beside those that were given."""
ENDLESS = 2**62
"""Answers yet to come: a share of those given says of all others what it says of the crowd."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Gold answers one after the other, up to `at`, and the share of them that was right.

    "Cannot tell" is not right; see `verification.gold_answers`.
    """

    at: datetime
    answers: int
    right: int
    share: Share


@dataclass(frozen=True, slots=True)
class Crowd:
    """How often votes tell right and wrong masks as what they are: on gold, beside what is assumed."""

    sensitivity: float
    specificity: float


STATEMENT = f"""
WITH told AS (
  SELECT j.at, g.is_correct, {gold_answers.IS_RIGHT} AS is_right, {gold_answers.IS_VOTE} AS is_vote,
    row_number() OVER (ORDER BY j.at, j.id) - 1 AS nth, count(*) OVER () AS n
  {gold_answers.GIVEN} AND g.project_id = %(project)s
)
SELECT max(at), count(*), count(*) FILTER (WHERE is_right),
  count(*) FILTER (WHERE is_vote AND is_correct), count(*) FILTER (WHERE is_right AND is_correct),
  count(*) FILTER (WHERE is_vote AND NOT is_correct), count(*) FILTER (WHERE is_right AND NOT is_correct)
FROM told GROUP BY nth / greatest(%(fewest)s, ceil(n / %(stretches)s::float8)::int) ORDER BY 1
"""


def gold_of(project: Project) -> tuple[list[Stretch], Crowd]:
    """The course of the crowd's accuracy, and how often a vote of it is right."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, {"project": project.pk, "fewest": FEWEST, "stretches": STRETCHES})
        rows = cursor.fetchall()
    good, good_right, bad, bad_right = (sum(row[i] for row in rows) for i in range(3, 7))
    assumed = ASSUMED * project.worker_accuracy
    crowd = Crowd((good_right + assumed) / (good + ASSUMED), (bad_right + assumed) / (bad + ASSUMED))
    return [_stretch(*row[:3]) for row in rows], crowd


def _stretch(at: datetime, answers: int, right: int) -> Stretch:
    share = estimated(right, answers - right, size=ENDLESS)
    assert share is not None
    return Stretch(at, answers, right, share)
