"""The figures behind the model page's charts, as JSON for its script and as CSV for people."""

from __future__ import annotations

from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from annotation_site.catalog.models import Mask, Project, Round, Tree
from annotation_site.dashboards.access import viewers
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.dashboards.model import facts
from annotation_site.dashboards.model.asked import round_of, trees_of
from annotation_site.dashboards.model.heldout import scatter
from annotation_site.verification.outlooks import NothingToLookAt, look_on, told

SECONDS = 0.12
"""Of looking at trees in one request; the page asks until it is through."""
ALL = float("inf")


@viewers
@require_GET
def training(request: HttpRequest, project: Project) -> JsonResponse:
    """The training curve, as far as it goes."""
    return JsonResponse(facts.training(round_of(request, project)))


@viewers
@require_GET
def scores(request: HttpRequest, project: Project) -> JsonResponse:
    """Score against real IoU of the held-out predictions."""
    trees = trees_of(request, round_of(request, project))
    return JsonResponse({**scatter(trees, k_iou=project.k_iou), "k_iou": project.k_iou})


@viewers
@require_GET
def calibration(request: HttpRequest, project: Project) -> JsonResponse:
    """Cluster score against real quality."""
    round_ = round_of(request, project)
    found = round_ and facts.calibration(project, round_)
    if not found:
        raise Http404("The round is not calibrated.")
    return JsonResponse(found)


@viewers
@require_GET
def outlook(request: HttpRequest, project: Project) -> JsonResponse:
    """How far looking is, and what each K_pa would bring once it is through."""
    round_ = round_of(request, project)
    try:
        if round_ is None:
            raise NothingToLookAt
        looking = look_on(round_, seconds=SECONDS)
    except NothingToLookAt as error:
        raise Http404(str(error)) from error
    answer = {"done": looking.done, "of": looking.of}
    return JsonResponse(answer | ({"table": told(round_, looking.found)} if looking.is_through else {}))


@viewers
@require_GET
def numbers(request: HttpRequest, project: Project, chart: str) -> StreamingHttpResponse:
    """The numbers behind a chart as CSV, streamed."""
    table = TABLES.get(chart)
    round_ = round_of(request, project)
    if table is None or round_ is None:
        raise Http404(f"There is no chart {chart}.")
    return csv_file(f"{project.slug}-{chart}", table(project, round_))


def _outlook_table(_project: Project, round_: Round) -> facts.Table:
    try:
        columns = told(round_, look_on(round_, seconds=ALL).found)
    except NothingToLookAt:
        return
    yield list(columns)
    yield from zip(*columns.values(), strict=True)


def _score_table(_project: Project, round_: Round) -> facts.Table:
    """Every held-out prediction."""
    yield ("category", "image", "class_score", "predicted_iou", "score", "iou")
    trees = Tree.objects.filter(round=round_, role="heldout").order_by("category__name")
    for pk, category in trees.values_list("pk", "category__name"):
        own = Mask.objects.filter(tree=pk).order_by("position")
        rows = own.values_list("image__name", "class_score", "predicted_iou", "score", "iou")
        yield from ((category, *row) for row in rows.iterator(10_000))


TABLES = {
    "training": lambda _project, round_: facts.training_table(round_),
    "calibration": lambda _project, round_: facts.calibration_table(round_),
    "scores": _score_table,
    "outlook": _outlook_table,
}
