"""Pages of the audit log: who changed what, when, from what to what."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.changes import Change, all_of, entries, page_of, whats, whos

COLUMNS = (
    "at", "who", "via", "request", "project", "change", "what", "row", "name", "field", "before", "after",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run."""


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
        name = f"{project.slug}-history.csv" if project else "history.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(
            _csv(all_of(found)), content_type="text/csv; charset=utf-8", headers=headers
        )
    before = request.GET.get("before", "")
    asked = request.GET.copy()
    asked.pop("before", None)
    context = {
        "project": project,
        "section": "history" if project else "system",
        "page": page_of(found, before=int(before) if before.isdecimal() and len(before) < 19 else None),
        "who": who,
        "what": what,
        "whos": whos(entries(project=project)),
        "whats": whats(),
        "asked": asked.urlencode(),
    }
    return render(request, "dashboards/history.html", context)


class _Echo:
    """What csv writes to: gives each row back."""

    def write(self, row: str) -> str:
        return row


def _csv(changes: Iterable[Change]) -> Iterator[str]:
    """A row for each field that differs."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for change in changes:
        entry = change.entry
        told = (
            entry.at.isoformat(), entry.who, entry.via, entry.request, change.project, entry.change,
            entry.what, entry.row, entry.name,
        )  # fmt: skip
        lines = [(line.label, line.before, line.after) for line in change.lines]
        for label, before, after in lines or [("", "", "")]:
            yield writer.writerow([_harmless(text) for text in (*told, label, before, after)])


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula; numbers stay numbers."""
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
