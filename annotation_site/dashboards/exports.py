"""Pages that take the data out: exports asked for, watched, downloaded."""

from __future__ import annotations

from django import forms
from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.catalog.jobs import State
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.dashboards.access import needs, viewers
from annotation_site.paging import key_in, page_before
from annotation_site.results.export_files import ask_for_export, delete_export, retry_export, stop_export
from annotation_site.results.exporting import INCLUDE
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from annotation_site.results.models import ExportFile

MOST = 50
"""Exports on a page."""


class ExportForm(forms.Form):
    """What to export."""

    format = forms.ChoiceField(choices=[(name, row.label) for name, row in FORMATS.items()])
    include = forms.ChoiceField(choices=[(name, name) for name in INCLUDE])
    round_number = forms.IntegerField(min_value=1, required=False)
    every_image = forms.BooleanField(required=False)


@viewers
@require_GET
def exports(request: HttpRequest, project: Project) -> HttpResponse:
    """What was exported, newest first, and a form to ask for more."""
    found = ExportFile.objects.filter(project=project).select_related("asked_by")
    rows, older = page_before(found, key_in(request.GET.get("before", "")), size=MOST)
    for export in rows:
        export.row = FORMATS[export.format]  # type: ignore[attr-defined]
    context = {
        "project": project,
        "section": "exports",
        "exports": rows,
        "older": older,
        "formats": FORMATS,
        "include": list(INCLUDE),
        "rounds": list(project.rounds.values_list("number", flat=True)),
    }
    name = "dashboards/exports_list.html" if "list" in request.GET else "dashboards/exports.html"
    return render(request, name, context)


@needs(Access.ADMIN, while_archived=True)
@require_POST
def ask(request: HttpRequest, project: Project) -> HttpResponse:
    """Ask for an export; a worker writes it."""
    form = ExportForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        export = ask_for_export(
            project=project,
            format_name=asked["format"],
            choice=Choice(asked["include"], asked["round_number"], asked["every_image"]),
            by=request.user if isinstance(request.user, User) else None,
            at=timezone.now(),
        )
        enqueue.write_export(export.pk)
    return redirect("dashboards:exports", slug=project.slug)


@needs(Access.ADMIN, while_archived=True)
@require_POST
def end(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Stop an export that is being written, have one written anew that came to nothing, or delete one."""
    found = get_object_or_404(ExportFile, pk=pk, project=project)
    if request.POST.get("verb") == "stop":
        stop_export(found, at=timezone.now())
    elif request.POST.get("verb") == "again":
        if retry_export(found):
            enqueue.write_export(found.pk)
    else:
        delete_export(found)
    return redirect("dashboards:exports", slug=project.slug)


@viewers
@require_GET
def download(_request: HttpRequest, project: Project, pk: int) -> FileResponse:
    """The file of a finished export."""
    found = get_object_or_404(ExportFile, pk=pk, project=project, state=State.DONE)
    if not artifacts().exists(found.path):
        raise Http404
    name = found.path.rsplit("/", 1)[-1]
    return FileResponse(artifacts().open(found.path), as_attachment=True, filename=name)
