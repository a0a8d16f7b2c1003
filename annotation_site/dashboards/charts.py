"""The charts of the overview: what each is drawn from, and the numbers behind it as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import viewers
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.dashboards.overview import Figures, figures_of
from pipeline.metrics import SECONDS_PER_DRAWING

Rows = Iterator[Sequence[object]]


@viewers
@require_GET
def curve(_request: HttpRequest, project: Project) -> JsonResponse:
    """Accepted masks against questions and human time, what drawing would have given, and the forecast."""
    figures = figures_of(project)
    points = figures.course.curve
    given, taken = figures.effort.questions, figures.effort.seconds
    ahead = figures.ahead if figures.ahead and given else None
    asked, *expected = zip(*ahead.curve, strict=True) if ahead else ((), (), (), ())
    seconds = [taken + (n - given) * ahead.pace for n in asked] if ahead else []
    return JsonResponse(
        {
            "at": [at.timestamp() for at in points.at],
            "questions": points.questions,
            "accepted": points.accepted,
            "hours": [spent / 3600 for spent in points.seconds],
            "drawn": [_drawn(spent) for spent in points.seconds],
            "ahead": {
                "questions": asked,
                "hours": [spent / 3600 for spent in seconds],
                "drawn": [_drawn(spent) for spent in seconds],
                **dict(zip(("expected", "low", "high"), expected, strict=True)),
            },
        }
    )


def _drawn(seconds: float) -> float:
    return round(seconds / SECONDS_PER_DRAWING, 2)


@viewers
@require_GET
def progress(_request: HttpRequest, project: Project) -> JsonResponse:
    """What was done in each hour, and how the crowd did on gold."""
    course = figures_of(project).course
    return JsonResponse(
        {
            "throughput": {
                "at": [hour.at.timestamp() for hour in course.hours],
                "answers": [hour.answers for hour in course.hours],
                "accepted": [hour.accepted for hour in course.hours],
            },
            "gold": {
                "at": [one.at.timestamp() for one in course.gold],
                "answers": [one.answers for one in course.gold],
                "right": [one.right for one in course.gold],
                "share": [one.share.value for one in course.gold],
                "low": [one.share.low for one in course.gold],
                "high": [one.share.high for one in course.gold],
            },
        }
    )


@viewers
@require_GET
def numbers(_request: HttpRequest, project: Project, chart: str) -> StreamingHttpResponse:
    """The numbers behind a chart as CSV."""
    return csv_file(f"{project.slug}-{chart}", TABLES[chart](figures_of(project)))


def _curve(figures: Figures) -> Rows:
    yield ("at", "questions", "human_hours", "accepted_masks", "drawn_by_hand_in_that_time")
    points = figures.course.curve
    for at, questions, seconds, accepted in zip(
        points.at, points.questions, points.seconds, points.accepted, strict=True
    ):
        yield (at.isoformat(), questions, round(seconds / 3600, 4), accepted, _drawn(seconds))


def _forecast(figures: Figures) -> Rows:
    yield ("questions", "expected_masks", "low_80", "high_80")
    yield from figures.ahead.curve if figures.ahead else ()


def _throughput(figures: Figures) -> Rows:
    yield ("hour_from", "answers", "accepted_masks")
    for hour in figures.course.hours:
        yield (hour.at.isoformat(), hour.answers, hour.accepted)


def _gold(figures: Figures) -> Rows:
    yield ("until", "gold_answers", "right", "share", "low_95", "high_95")
    for one in figures.course.gold:
        share = (round(value, 4) for value in (one.share.value, one.share.low, one.share.high))
        yield (one.at.isoformat(), one.answers, one.right, *share)


def _categories(figures: Figures) -> Rows:
    columns = ("masks", "accepted", "rejected", "accepted_clusters", "open_clusters", "answers")
    yield ("category", *columns)
    for row in figures.categories:
        yield (row["name"], *(row[column] for column in columns))


TABLES: dict[str, Callable[[Figures], Rows]] = {
    "curve": _curve,
    "forecast": _forecast,
    "throughput": _throughput,
    "gold": _gold,
    "categories": _categories,
}
"""Chart -> its table, the header first."""
