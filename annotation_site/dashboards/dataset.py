"""The dataset page: density, centres, sizes and categories of the accepted masks beside the initial set."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import viewers
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.results.dataset import count_on, tables
from annotation_site.results.measured import known, recent_version

SECONDS = 0.1
"""Of counting in one request; the page asks until it is done."""
ALL = float("inf")
QUALITY = ("precision", "sq", "coverage")


@viewers
@require_GET
def dataset(request: HttpRequest, project: Project) -> HttpResponse:
    """The page; its script asks for the figures."""
    measured = known(project)
    context = {
        "project": project, "section": "dataset", "measured": measured,
        "quality": {name: measured.figures[name] if measured else None for name in QUALITY},
    }  # fmt: skip
    return render(request, "dashboards/dataset.html", context)


@viewers
@require_GET
def figures(_request: HttpRequest, project: Project) -> JsonResponse:
    """How far counting is, with the figures once it is through."""
    counting = count_on(project, seconds=SECONDS, version=recent_version(project))
    told: dict[str, Any] = {"done": counting.done, "of": counting.of}
    if counting.figures is not None:
        told["figures"] = counting.figures.to_json()
    return JsonResponse(told)


@viewers
@require_GET
def numbers(_request: HttpRequest, project: Project, chart: str) -> StreamingHttpResponse:
    """The numbers behind a chart as CSV."""
    found = count_on(project, seconds=ALL).figures
    rows = tables(found).get(chart) if found else None
    if rows is None:
        raise Http404(f"There is no chart {chart}.")
    return csv_file(f"{project.slug}-{chart}", rows)
