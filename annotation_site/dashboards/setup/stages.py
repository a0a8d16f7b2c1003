"""Stages from the page: left to workers as `run_pipeline --workers` does, stopped, done over."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from annotation_site import enqueue
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import StageError, start_over
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.setup.changes import back

Stage = StageRun.Stage


@admins
@require_POST
def change(request: HttpRequest, project: Project) -> HttpResponse:
    """Let workers carry on up to a stage, stop, or do a stage over."""
    verb, _, name = request.POST.get("do", "").partition(" ")
    stage = Stage(name) if name in Stage.values else None
    if verb == "stop":
        enqueue.stop_pipeline(project)
    elif verb == "run" and stage is not None:
        enqueue.run_pipeline(project, until=stage)
    elif verb == "again" and stage is not None:
        try:
            start_over(current_round(project), stage)
        except StageError as error:
            messages.error(request, str(error))
        else:
            enqueue.run_pipeline(project, until=stage)
    return back(project, "workers" if stage == Stage.OPEN else "stages")
