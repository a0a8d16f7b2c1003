"""The page on which a project is put away and deleted, and what stays of those that are gone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.budget import caps
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.closing import archiving, deleting
from annotation_site.closing.deleting import CannotDelete, NotConfirmed, ask_for_deletion, goods_of
from annotation_site.closing.models import Deletion
from annotation_site.closing.obstacles import obstacles
from annotation_site.closing.statements import deletions_of, owed_on, rows, with_totals
from annotation_site.dashboards.access import admins, needs
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.paging import key_in, page_before

MOST = 50
"""Deletions, or workers of a statement, on a page."""


@admins
@require_GET
def page(request: HttpRequest, project: Project) -> HttpResponse:
    """What archiving and deleting mean for this project, and the buttons."""
    return _page(request, project)


@needs(Access.ADMIN, while_archived=True)
@require_POST
def change(request: HttpRequest, project: Project) -> HttpResponse:
    """Put the project away, or take it out again."""
    if request.POST.get("do") == "archive":
        archiving.archive(project=project, at=timezone.now())
        enqueue.send("maskgrove.deliver_actions")
        messages.success(request, _("The project is archived."))
    elif request.POST.get("do") == "take out":
        archiving.take_out(project=project)
        messages.success(request, _("The project can be changed again. Nobody is asked before you open it."))
    return redirect("dashboards:archive", slug=project.slug)


@needs(Access.OWNER, while_archived=True)
@require_POST
def delete(request: HttpRequest, project: Project) -> HttpResponse:
    """Delete the project, whose name was typed."""
    try:
        deletion = ask_for_deletion(
            project=project,
            name=request.POST.get("name", ""),
            keep_answers="without_answers" not in request.POST,
            by=request.user if isinstance(request.user, User) else None,
            at=timezone.now(),
        )
    except (CannotDelete, NotConfirmed) as refusal:
        return _page(request, project, status=409, refusal=str(refusal))
    enqueue.delete_project(deletion.pk)
    return redirect("dashboards:deletion", pk=deletion.pk)


def _page(request: HttpRequest, project: Project, *, status: int = 200, **more: Any) -> HttpResponse:
    context: dict[str, Any] = {"project": project, "section": "archive", **more}
    if project.is_archived and request.role == Access.OWNER:  # type: ignore[attr-defined]  # project_for set it
        context |= {"goods": goods_of(project), "obstacles": obstacles(project)}
        context |= {"owed": owed_on(project), "currency": caps.budget_of(project).currency}
    return render(request, "dashboards/closing/archive.html", context, status=status)


@login_required
@require_GET
def deletions(request: HttpRequest) -> HttpResponse:
    """The projects of somebody that are gone, or going, the latest first."""
    before = key_in(request.GET.get("before", ""))
    shown, older = page_before(deletions_of(request.user), before, size=MOST)
    return render(request, "dashboards/closing/deletions.html", {"deletions": shown, "older": older})


@login_required
@require_GET
def deletion(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a deletion is, and what stays; `?part` gives the part that changes."""
    found = get_object_or_404(with_totals(deletions_of(request.user)), pk=pk)
    after = key_in(request.GET.get("after", ""))
    shown = list(found.lines.filter(pk__gt=after or 0)[: MOST + 1])
    context = {
        "deletion": found,
        "lines": shown[:MOST],
        "more": shown[MOST - 1].pk if len(shown) > MOST else None,
    }
    name = "state" if "part" in request.GET else "deletion"
    return render(request, f"dashboards/closing/{name}.html", context)


@login_required
@require_GET
def statement(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The closing statement as CSV."""
    found = get_object_or_404(deletions_of(request.user), pk=pk)
    return csv_file(f"{found.slug}-statement", rows(found))


@login_required
@require_GET
def answers(request: HttpRequest, pk: int) -> FileResponse:
    """The answer log that was kept."""
    found = get_object_or_404(deletions_of(request.user).exclude(answers=""), pk=pk)
    if not artifacts().exists(found.answers):
        raise Http404
    name = found.answers.rsplit("/", 1)[-1]
    return FileResponse(artifacts().open(found.answers), as_attachment=True, filename=name)


@login_required
@require_POST
def change_deletion(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a deletion, or let workers go on with one that was stopped or failed."""
    found: Deletion = get_object_or_404(deletions_of(request.user), pk=pk)
    if request.POST.get("do") == "stop":
        deleting.stop(found, at=timezone.now())
    elif request.POST.get("do") == "go on" and deleting.go_on(found):
        enqueue.delete_project(found.pk)
    return redirect("dashboards:deletion", pk=pk)
