"""The course of a campaign: what was asked and accepted when, by category and by the hour; how good it is.

The database adds up, in a few statements whatever the project's size, each of which reads decisions or
judgments once; masks never.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count

from annotation_site.catalog.models import Project
from annotation_site.results.gold import Crowd, Stretch, gold_of
from annotation_site.verification.models import UNDONE, Decision
from annotation_site.verification.workloads import votes_of
from annotation_site.verification.yields import DECIDED, Effort
from pipeline.quality import Asked, accepted_quality
from pipeline.shares import Share

BINS = 200
"""Points of a curve: more than the pixels of a phone, fewer than anyone can tell apart."""
HOURS = 168
"""Hours of which the throughput is told, up to the last answer: a week, so that days can be compared."""
HOUR = timedelta(hours=1)


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
class Course:
    """All of it.

    Attributes
    ----------
    categories : what became of the masks of each, by its primary key
    asked : answers about the masks of each; gold is no category's
    verdicts : standing decisions by verdict
    quality : of what people's answers accepted
    by_hand : masks that an admin accepted
    """

    curve: Curve
    effort: Effort
    categories: Mapping[int, Became]
    asked: Mapping[int, int]
    verdicts: Mapping[str, int]
    hours: Sequence[Hour]
    gold: Sequence[Stretch]
    crowd: Crowd
    quality: Share | None
    by_hand: int
    first: datetime | None
    last: datetime | None


BIN = f"least(greatest(floor(date_part('epoch', {{at}} - {{start}}) / {{width}}), 0), {BINS - 1})::int"
IN_HOUR = "CASE WHEN {at} >= {since} THEN floor(date_part('epoch', {at} - {since}) / 3600)::int END"
GIVEN_SCALE = {"start": "%(start)s::timestamptz", "width": "%(width)s", "since": "%(since)s::timestamptz"}

ANSWERS = f"""
WITH given AS MATERIALIZED (
  SELECT j.at, j.elapsed_ms, q.category_id, q.gold_id IS NOT NULL AS of_gold
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE q.project_id = %(project)s AND j.retracted_because <> %(undone)s
), scale AS (
  SELECT min(at) AS first, max(at) AS last,
    greatest(date_part('epoch', max(at) - min(at)) / {BINS - 1}, 0.001) AS width,
    date_trunc('hour', max(at), 'UTC') - interval '{HOURS - 1} hours' AS since
  FROM given
), told AS (
  SELECT {BIN.format(at="at", start="first", width="width")} AS bin,
    {IN_HOUR.format(at="at", since="since")} AS hour,
    category_id, of_gold, count(*) AS answers, sum(elapsed_ms) AS ms
  FROM given CROSS JOIN scale GROUP BY 1, 2, 3, 4
)
SELECT first, last, width, since, GROUPING(bin), GROUPING(hour), bin, hour, category_id, of_gold,
  sum(answers)::bigint, sum(ms) / 1000.0
FROM told CROSS JOIN scale
GROUP BY first, last, width, since, GROUPING SETS ((bin), (hour), (category_id, of_gold))
"""

DECISIONS = f"""
WITH {DECIDED}, told AS (
  SELECT d.category_id, d.verdict, d.accepted, d.rejected, v.yes, v.no,
    {BIN.format(at="d.at", **GIVEN_SCALE)} AS bin, {IN_HOUR.format(at="d.at", **GIVEN_SCALE)} AS hour
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


def course_of(project: Project) -> Course:
    """Read it from the facts.

    Masks and questions are those of `verification.yields`; a mask that is refused later leaves the point of
    its decision.
    """
    answered = _answered(project)
    decided, evidence = _decided(project, answered.scale), _evidence(project)
    gold, crowd = gold_of(project)
    return Course(
        curve=_curve(decided.bins, answered),
        effort=answered.effort,
        categories=decided.categories(),
        asked=answered.by_category,
        verdicts=evidence.verdicts,
        hours=_hours(decided.hours, answered),
        gold=gold,
        crowd=crowd,
        quality=accepted_quality(
            _asked(evidence, decided.evidence),
            sensitivity=_settled(project, crowd.sensitivity),
            specificity=_settled(project, crowd.specificity),
        ),
        by_hand=decided.by_hand,
        first=answered.scale.first,
        last=answered.scale.last,
    )


def _settled(project: Project, accuracy: float) -> float:
    """How often the answer to a question is right when each vote is so accurate."""
    return votes_of(project.aggregation, project.judgments_per_question, accuracy)[1]


@dataclass(frozen=True, slots=True)
class _Scale:
    """When the first and the last answer were given; seconds of a stretch of the curve; the first hour."""

    first: datetime | None = None
    last: datetime | None = None
    width: float = 1.0
    since: datetime | None = None


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


def _decided(project: Project, scale: _Scale) -> _Decided:
    found = _Decided()
    named = {"projects": [project.pk], "start": scale.first, "width": scale.width, "since": scale.since}
    for no_category, no_hour, *row in _rows(DECISIONS, named):
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
    scale: _Scale = _Scale()
    effort: Effort = field(default_factory=lambda: Effort(0, 0, 0.0))
    bins: dict[int, tuple[int, float]] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)
    by_category: dict[int, int] = field(default_factory=dict)


def _answered(project: Project) -> _Answered:
    found = _Answered()
    for *scale, no_bin, no_hour, bin_, hour, category, of_gold, answers, seconds in _rows(
        ANSWERS, {"project": project.pk, "undone": UNDONE}
    ):
        found.scale = _Scale(*scale)
        if not no_bin:
            found.bins[bin_] = (answers, float(seconds))
        elif not no_hour:
            if hour is not None:
                found.hours[hour] = answers
        else:
            found.effort += Effort(answers, answers if of_gold else 0, float(seconds))
            if not of_gold:
                found.by_category[category] = answers
    return found


def _rows(statement: str, named: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, named)
        return list(cursor.fetchall())


def _curve(accepted: Mapping[int, int], answered: _Answered) -> Curve:
    first, width, nothing = answered.scale.first, timedelta(seconds=answered.scale.width), (0, 0.0)
    if first is None:
        return Curve()
    given = answered.bins
    bins = sorted(set(given) | {bin_ for bin_, masks in accepted.items() if masks})
    return Curve(
        at=[first + (bin_ + 1) * width for bin_ in bins],
        questions=list(accumulate(given.get(bin_, nothing)[0] for bin_ in bins)),
        accepted=list(accumulate(accepted.get(bin_, 0) for bin_ in bins)),
        seconds=[round(s, 1) for s in accumulate(given.get(bin_, nothing)[1] for bin_ in bins)],
    )


def _hours(accepted: Mapping[int, int], answered: _Answered) -> list[Hour]:
    """Every hour from the first in which anything happened to that of the last answer."""
    since, last, given = answered.scale.since, answered.scale.last, answered.hours
    if since is None or last is None:
        return []
    begun, until = min([*accepted, *given], default=HOURS), int((last - since) / HOUR)
    return [Hour(since + n * HOUR, given.get(n, 0), accepted.get(n, 0)) for n in range(begun, until + 1)]


@dataclass(slots=True)
class _Evidence:
    """How many standing decisions there are, by verdict and by what they rest on."""

    verdicts: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[int, int]] = field(default_factory=Counter)


def _evidence(project: Project) -> _Evidence:
    found = _Evidence()
    standing = Decision.objects.in_force().filter(tree__round__project=project).order_by()
    for verdict, yes, no, n in standing.values_list("verdict", "yes", "no").annotate(n=Count("id")):
        found.verdicts[verdict] += n
        found.counts[yes, no] += n
    return found


def _asked(evidence: _Evidence, accepting: Mapping[tuple[int, int], tuple[int, int, float]]) -> Asked:
    """The evidence of all standing decisions, and what the accepting ones hold."""
    nothing = (0, 0, 0.0)
    rows = [(*key, n, *accepting.get(key, nothing)) for key, n in evidence.counts.items()]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    yes, no, clusters, known, rest = (column.astype(np.int64) for column in columns[:5])
    return Asked(yes, no, clusters, known, rest, rest_squared=columns[5])
