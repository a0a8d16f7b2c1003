"""Pages of the audit log: who changed what, when, from what to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.changes import Change, all_of, entries, page_of, whats, whos
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.paging import key_in

COLUMNS = (
    "at", "who", "via", "request", "project", "change", "what", "row", "name", "field", "before", "after",
)  # fmt: skip


@admins
@require_GET
def history(request: HttpRequest, project: Project) -> HttpResponseBase:
    """What was changed on a project."""
    return _page(request, project)


@login_required
@require_GET
def site_history(request: HttpRequest) -> HttpResponseBase:
    """What was changed on the whole site; for superusers."""
    if not getattr(request.user, "is_superuser", False):
        raise PermissionDenied
    return _page(request, None)


def _page(request: HttpRequest, project: Project | None) -> HttpResponseBase:
    who, what = (request.GET.get(name, "").replace("\0", "") for name in ("who", "what"))
    found = entries(project=project, who=who, what=what)
    if request.GET.get("format") == "csv":
        return csv_file(f"{project.slug}-history" if project else "history", _rows(all_of(found)))
    asked = request.GET.copy()
    asked.pop("before", None)
    context = {
        "project": project,
        "section": "history" if project else "system",
        "page": page_of(found, before=key_in(request.GET.get("before", ""))),
        "who": who,
        "what": what,
        "whos": whos(entries(project=project)),
        "whats": whats(),
        "asked": asked.urlencode(),
    }
    return render(request, "dashboards/history.html", context)


def _rows(changes: Iterable[Change]) -> Iterator[Sequence[str]]:
    """A row for each field that differs."""
    yield COLUMNS
    for change in changes:
        entry = change.entry
        told = (
            entry.at.isoformat(), entry.who, entry.via, entry.request, change.project, entry.change,
            entry.what, entry.row, entry.name,
        )  # fmt: skip
        for line in [(line.label, line.before, line.after) for line in change.lines] or [("", "", "")]:
            yield (*told, *line)
