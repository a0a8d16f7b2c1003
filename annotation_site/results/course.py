"""The course of a campaign: what was asked and accepted when, by category and by the hour; how good it is.

The database adds up, in a few statements whatever the project's size: decisions and judgments are read once
each, masks never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, Max, Min

from annotation_site.catalog.models import Project
from annotation_site.verification.models import UNDONE, Decision, Judgment
from annotation_site.verification.workloads import votes_of
from annotation_site.verification.yields import DECIDED
from pipeline.quality import Asked, accepted_quality
from pipeline.shares import Share, estimated

BINS = 200
"""Points of a curve: more than the pixels of a phone, fewer than anyone can tell apart."""
HOURS = 168
"""Hours of which the throughput is told, up to the last answer: a week, so that days can be compared."""
STRETCHES, FEWEST_GOLD = 40, 25
"""Of gold answers: as many stretches at most, of so many at least; fewer tell too little."""
ASSUMED = 20
"""The accuracy that the project assumes counts as so many gold answers beside those that were given."""

HOUR = timedelta(hours=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ENDLESS = 2**62
"""Answers yet to come: a share of those given says of all others what it says of the crowd."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Running totals at the ends of equal stretches of time in which people answered."""

    at: list[datetime] = field(default_factory=list)
    questions: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a category's masks: how many are accepted and rejected, and by how many clusters."""

    accepted: int = 0
    rejected: int = 0
    accepted_clusters: int = 0
    course: tuple[int, ...] = ()
    """Accepted masks at the ends of the curve's stretches."""


@dataclass(frozen=True, slots=True)
class Hour:
    """Answers given and masks accepted in the hour that begins `at`."""

    at: datetime
    answers: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Gold answers one after the other, up to `at`, and the share of them that was right."""

    at: datetime
    answers: int
    right: int
    share: Share


@dataclass(frozen=True, slots=True)
class Crowd:
    """How often right and wrong masks are told as what they are: on gold, beside what the project assumes."""

    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True)
class Course:
    """All of it. `quality` is that of what people's answers accepted; `by_hand` masks an admin did."""

    curve: Curve
    categories: Mapping[int, Became]
    hours: Sequence[Hour]
    gold: Sequence[Stretch]
    crowd: Crowd
    quality: Share | None
    by_hand: int
    first: datetime | None
    last: datetime | None


BIN = f"least(greatest(floor(extract(epoch FROM {{at}} - %(start)s) / %(width)s), 0), {BINS - 1})::int"
IN_HOUR = "CASE WHEN {at} >= %(since)s THEN floor(extract(epoch FROM {at} - %(since)s) / 3600)::int END"

DECISIONS = f"""
WITH {DECIDED}, told AS (
  SELECT d.category_id, d.verdict, d.accepted, d.rejected, v.yes, v.no,
    {BIN.format(at="d.at")} AS bin, {IN_HOUR.format(at="d.at")} AS hour
  FROM decided d
  LEFT JOIN verification_decision v ON left(d.id, 1) = 'd' AND v.id = substr(d.id, 2)::bigint
)
SELECT GROUPING(category_id), GROUPING(hour), category_id, bin, hour, yes, no,
  sum(accepted), sum(rejected), count(*) FILTER (WHERE verdict = 'accept'),
  sum(least(yes, accepted)) FILTER (WHERE verdict = 'accept'),
  sum(greatest(accepted - yes, 0)) FILTER (WHERE verdict = 'accept'),
  sum(greatest(accepted - yes, 0)::float8 ^ 2) FILTER (WHERE verdict = 'accept')
FROM told GROUP BY GROUPING SETS ((category_id, bin), (hour), (yes, no))
"""

ANSWERS = f"""
SELECT GROUPING(hour), bin, hour, count(*), sum(elapsed_ms) / 1000.0 FROM (
  SELECT {BIN.format(at="j.at")} AS bin, {IN_HOUR.format(at="j.at")} AS hour, j.elapsed_ms
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE q.project_id = ANY(%(projects)s) AND j.retracted_because <> %(undone)s
) told GROUP BY GROUPING SETS ((bin), (hour))
"""

GOLD = """
WITH told AS (
  SELECT j.at, g.is_correct, j.retracted_at IS NULL AS counts,
    j.says = CASE WHEN g.is_correct THEN 'yes' ELSE 'no' END AS is_right,
    row_number() OVER (ORDER BY j.at, j.id) - 1 AS nth, count(*) OVER () AS n
  FROM verification_judgment j
  JOIN verification_question q ON q.id = j.question_id
  JOIN people_golditem g ON g.id = q.gold_id
  WHERE g.project_id = %(project)s AND j.retracted_because <> %(undone)s AND g.retired_at IS NULL
)
SELECT max(at), count(*), count(*) FILTER (WHERE is_right),
  count(*) FILTER (WHERE counts AND is_correct), count(*) FILTER (WHERE counts AND is_correct AND is_right),
  count(*) FILTER (WHERE counts AND NOT is_correct),
  count(*) FILTER (WHERE counts AND NOT is_correct AND is_right)
FROM told GROUP BY nth / greatest(%(fewest)s, ceil(n / %(stretches)s::float8)::int) ORDER BY 1
"""


def course_of(project: Project) -> Course:
    """Read it from the facts.

    Masks and questions are those of `verification.yields`; a mask that is refused later leaves the point of
    its decision.
    """
    ends = Judgment.objects.given().filter(question__project=project)
    found = ends.aggregate(first=Min("at"), last=Max("at"))
    first, last = found["first"], found["last"]
    scale = _scale(first, last)
    decided, answered = _decided(project, scale), _answered(project, scale)
    gold, crowd = _gold(project)
    return Course(
        curve=_curve(decided.bins, answered.bins, scale) if first else Curve(),
        categories=decided.categories(),
        hours=_hours(decided.hours, answered.hours, scale, last) if last else (),
        gold=gold,
        crowd=crowd,
        quality=accepted_quality(
            _asked(project, decided.evidence),
            sensitivity=_settled(project, crowd.sensitivity),
            specificity=_settled(project, crowd.specificity),
        ),
        by_hand=decided.by_hand,
        first=first,
        last=last,
    )


def _settled(project: Project, accuracy: float) -> float:
    """How often the answer to a question is right when each vote is so accurate."""
    return votes_of(project.aggregation, project.judgments_per_question, accuracy)[1]


def _scale(first: datetime | None, last: datetime | None) -> dict[str, Any]:
    """Where the stretches of the curve and the hours begin."""
    begin, end = first or LONG_AGO, last or LONG_AGO
    return {
        "start": begin,
        "width": max((end - begin) / (BINS - 1), timedelta(milliseconds=1)).total_seconds(),
        "since": end.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR,
    }


@dataclass(slots=True)
class _Decided:
    by_category: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    rejected: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    clusters: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    hours: dict[int, int] = field(default_factory=dict)
    evidence: dict[tuple[int, int], tuple[int, int, float]] = field(default_factory=dict)
    by_hand: int = 0

    @property
    def bins(self) -> dict[int, int]:
        """Accepted masks by stretch of the curve."""
        summed: dict[int, int] = defaultdict(int)
        for bins in self.by_category.values():
            for bin_, accepted in bins.items():
                summed[bin_] += accepted
        return summed

    def categories(self) -> dict[int, Became]:
        return {
            category: Became(
                accepted=sum(bins.values()),
                rejected=self.rejected[category],
                accepted_clusters=self.clusters[category],
                course=tuple(accumulate(bins.get(bin_, 0) for bin_ in range(BINS))),
            )
            for category, bins in self.by_category.items()
        }


def _decided(project: Project, scale: Mapping[str, Any]) -> _Decided:
    found = _Decided()
    for no_category, no_hour, *row in _rows(DECISIONS, project, scale):
        category, bin_, hour, yes, no, accepted, rejected, clusters, known, rest, squares = row
        if not no_category:
            found.by_category[category][bin_] = int(accepted)
            found.rejected[category] += int(rejected)
            found.clusters[category] += clusters
        elif not no_hour:
            if hour is not None:
                found.hours[hour] = int(accepted)
        elif yes is None:
            found.by_hand = int(accepted)
        elif known is not None:
            found.evidence[yes, no] = (int(known), int(rest), float(squares))
    return found


@dataclass(slots=True)
class _Answered:
    bins: dict[int, tuple[int, float]] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)


def _answered(project: Project, scale: Mapping[str, Any]) -> _Answered:
    found = _Answered()
    for no_hour, bin_, hour, answers, seconds in _rows(ANSWERS, project, scale):
        if no_hour:
            found.bins[bin_] = (answers, float(seconds))
        elif hour is not None:
            found.hours[hour] = answers
    return found


def _rows(statement: str, project: Project, scale: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"projects": [project.pk], "undone": UNDONE, **scale})
        return list(cursor.fetchall())


def _curve(
    accepted: Mapping[int, int], answered: Mapping[int, tuple[int, float]], scale: Mapping[str, Any]
) -> Curve:
    bins = sorted(set(answered) | {bin_ for bin_, masks in accepted.items() if masks})
    width, nothing = timedelta(seconds=scale["width"]), (0, 0.0)
    return Curve(
        at=[scale["start"] + (bin_ + 1) * width for bin_ in bins],
        questions=list(accumulate(answered.get(bin_, nothing)[0] for bin_ in bins)),
        accepted=list(accumulate(accepted.get(bin_, 0) for bin_ in bins)),
        seconds=[round(s, 1) for s in accumulate(answered.get(bin_, nothing)[1] for bin_ in bins)],
    )


def _hours(
    accepted: Mapping[int, int], answered: Mapping[int, int], scale: Mapping[str, Any], last: datetime
) -> list[Hour]:
    """Every hour from the first in which anything happened to that of the last answer."""
    begun = min([*accepted, *answered], default=HOURS)
    until = int((last - scale["since"]) / HOUR)
    return [
        Hour(scale["since"] + n * HOUR, answered.get(n, 0), accepted.get(n, 0))
        for n in range(begun, until + 1)
    ]


def _gold(project: Project) -> tuple[list[Stretch], Crowd]:
    named: dict[str, Any] = {
        "project": project.pk,
        "undone": UNDONE,
        "fewest": FEWEST_GOLD,
        "stretches": STRETCHES,
    }
    with connection.cursor() as cursor:
        cursor.execute(GOLD, named)
        rows = cursor.fetchall()
    stretches = []
    for at, answers, right, *_ in rows:
        share = estimated(right, answers - right, size=ENDLESS)
        assert share is not None
        stretches.append(Stretch(at, answers, right, share))
    good, good_right, bad, bad_right = (sum(row[i] for row in rows) for i in range(3, 7))
    assumed = ASSUMED * project.worker_accuracy
    return stretches, Crowd(
        (good_right + assumed) / (good + ASSUMED), (bad_right + assumed) / (bad + ASSUMED)
    )


def _asked(project: Project, evidence: Mapping[tuple[int, int], tuple[int, int, float]]) -> Asked:
    """The evidence of all standing decisions, and what the accepting ones hold."""
    standing = Decision.objects.in_force().filter(tree__round__project=project)
    counted = {
        (yes, no): n for yes, no, n in standing.values_list("yes", "no").annotate(n=Count("id")).order_by()
    }
    nothing = (0, 0, 0.0)
    rows = [(*key, n, *evidence.get(key, nothing)) for key, n in counted.items()]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    yes, no, clusters, known, rest = (column.astype(np.int64) for column in columns[:5])
    return Asked(yes, no, clusters, known, rest, rest_squared=columns[5])
