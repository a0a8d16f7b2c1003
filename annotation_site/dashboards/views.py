"""Pages of project admins. Each gathers with a selector and renders; nothing is computed here."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation_site.access.granting import projects_of
from annotation_site.catalog.models import Mask, Project
from annotation_site.closing.statements import deletions_of
from annotation_site.dashboards import selectors, thumbnails
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.overview import overview
from annotation_site.paging import key_in
from annotation_site.photo_responses import jpeg
from annotation_site.results.measured import measured
from annotation_site.verification import opening

ARCHIVED = Project.State.ARCHIVED
STATES = {
    Project.State.OPEN.value: opening.resume_campaign,
    Project.State.PAUSED.value: opening.pause_campaign,
}
"""What an admin may make of a project."""


@login_required
@require_GET
def projects(request: HttpRequest) -> HttpResponse:
    """The projects that somebody may see, newest first: those in use, or with `?archived` the others."""
    theirs = projects_of(request.user)
    archived, in_use = theirs.filter(state=ARCHIVED), theirs.exclude(state=ARCHIVED)
    shows_archived = "archived" in request.GET
    before = key_in(request.GET.get("before", ""))
    cards, older = selectors.project_cards(archived if shows_archived else in_use, before=before)
    context = {
        "cards": cards,
        "older": older,
        "is_first": before is None,
        "shows_archived": shows_archived,
        "archived": archived.count(),
        "deletions": deletions_of(request.user).count(),
    }
    return render(request, "dashboards/projects.html", context)


@viewers
@require_GET
def project(request: HttpRequest, found: Project) -> HttpResponse:
    """The overview of a project."""
    return render(request, "dashboards/project.html", {**overview(found), "section": "overview"})


@viewers
@require_GET
def live(request: HttpRequest, found: Project) -> HttpResponse:
    """The parts of the overview that change, as the fragment that the page swaps in."""
    return render(request, "dashboards/live.html", overview(found))


@viewers
@require_GET
def decisions(request: HttpRequest, found: Project) -> HttpResponse:
    """The decisions in force, newest first, each with the masks that it rests on."""
    verdict = request.GET.get("verdict", "")
    before = key_in(request.GET.get("before", ""))
    page = selectors.decision_page(found, verdict=verdict, before=before)
    context = {"project": found, "section": "decisions", "page": page, "verdict": verdict}
    return render(request, "dashboards/decisions.html", context)


@viewers
@require_GET
def report(request: HttpRequest, found: Project) -> HttpResponse:
    """What the project has yielded, measured where ground truth exists; `?format=json` gives the figures."""
    measurement = measured(found, at=timezone.now())
    figures = measurement.figures
    if request.GET.get("format") == "json":
        return JsonResponse(dict(figures))
    spans = {name: figures[f"{name}_hours"] for name in ("verification", "human", "drawing")}
    context = {
        "project": found,
        "section": "report",
        "report": figures,
        "measured_at": measurement.at,
        "seconds": {name: span * 3600 for name, span in spans.items()},
        "longest_hours": max(spans.values()),
    }
    return render(request, "dashboards/report.html", context)


@viewers
@require_GET
def thumbnail(_request: HttpRequest, found: Project, pk: int) -> HttpResponse:
    """The small crop of one of the project's masks."""
    masks = Mask.objects.select_related("image").defer("counts")
    mask = get_object_or_404(masks, pk=pk, tree__round__project=found)
    return jpeg(partial(thumbnails.thumbnail, mask))


@admins
@require_POST
def change_state(request: HttpRequest, found: Project) -> HttpResponse:
    """Let workers in or keep them out; answers under way are still taken."""
    verb = STATES.get(request.POST.get("state", ""))
    if verb is None:
        messages.error(request, _("A project can be opened or paused."))
        return redirect("dashboards:project", slug=found.slug)
    try:
        verb(project=found)
    except opening.NotOpen:
        messages.error(request, _("The pipeline has not opened this project yet."))
    else:
        is_open = found.state == Project.State.OPEN
        messages.success(request, _("Workers may answer.") if is_open else _("Workers are kept out."))
    return redirect("dashboards:project", slug=found.slug)
