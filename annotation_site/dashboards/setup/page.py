"""The set-up page, and the parts of it that change by themselves."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotation_site.budget.caps import budget_of
from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.jobs import DUE
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.roles import image_counts
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards import selectors
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.setup.forms import ROLES, SPLIT, BudgetForm, ParametersForm
from annotation_site.dashboards.setup.steps import PREPARED, current, steps_of
from annotation_site.dashboards.templatetags.figures import is_spared
from annotation_site.paging import key_in, page_before
from annotation_site.preparing import allowed
from annotation_site.preparing.estimates import estimated
from annotation_site.preparing.pieces import PIECE

IMPORTS = 20
"""Imports on a page."""
CATEGORIES = 200
"""Categories that are shown with a button each."""
STEPS = 8
"""Rows of an estimate."""
Run = StageRun.State


@admins
@require_GET
def setup(request: HttpRequest, project: Project) -> HttpResponse:
    """All steps; `?part=` gives one of those that change."""
    part = PARTS.get(request.GET.get("part", ""))
    if part is not None:
        name, gather = part
        return render(request, name, gather(project, request))
    return page(request, project, at=request.GET.get("at", ""))


def page(
    request: HttpRequest, project: Project, *, at: str = "", status: int = 200, **forms: Any
) -> HttpResponse:
    """The whole page; `forms` replaces those that were filled in wrongly, `at` names their step."""
    images = image_counts(project)
    steps = steps_of(project, images)
    context = {
        "project": project,
        "section": "setup",
        "steps": steps,
        "at": at or current(steps),
        "asked": at,
        "roots": allowed.roots(),
        "piece": PIECE,
        "roles": [role for role in ROLES if role[0] != SPLIT],
        "split": SPLIT,
        "images": images,
        "categories": project.categories.all()[:CATEGORIES],
        "parameters": ParametersForm(instance=project),
        "budget": BudgetForm(instance=budget_of(project)),
        "spend": spend_of(project),
        **_imports(project, request),
        **_stages(project, request),
        **_estimate(project, request),
        **forms,
    }
    return render(request, "dashboards/setup/setup.html", context, status=status)


def _steps(project: Project, _request: HttpRequest) -> dict[str, Any]:
    return {"project": project, "steps": steps_of(project, image_counts(project))}


def _imports(project: Project, request: HttpRequest) -> dict[str, Any]:
    before = request.GET.get("before", "")
    found = project.imports.select_related("asked_by")
    rows, older = page_before(found, key_in(before), size=IMPORTS)
    return {"project": project, "imports": rows, "older": older, "before": before}


def _stages(project: Project, _request: HttpRequest) -> dict[str, Any]:
    round_ = selectors.latest_round(project)
    every = rows_of(round_, with_detail=True)
    runs = [run for run in every if run.stage in PREPARED]
    running = any(run.state == Run.RUNNING for run in runs)
    done = [place for place, run in enumerate(runs) if run.state == Run.DONE or is_spared(run, runs)]
    left = runs[max(done, default=-1) + 1 :]
    wanted = round_ is not None and round_.carry_on_to in {
        run.stage for run in every[len(runs) - len(left) :]
    }
    ended = any(run.state in (Run.STOPPED, Run.FAILED) for run in every)
    return {
        "project": project,
        "opening": every[-1],
        "will_open": not ended and round_ is not None and round_.carry_on_to == StageRun.Stage.OPEN,
        "runs": runs,
        "next": left[0].stage if left else "",
        "waits": bool(left) and wanted and left[0].state == Run.WAITING,
        "running": running,
        "may_redo": every[-1].state != Run.DONE and not running,
    }


def _estimate(project: Project, _request: HttpRequest) -> dict[str, Any]:
    round_ = selectors.latest_round(project)
    estimate, found = estimated(round_) if round_ else (None, None)
    return {
        "project": project,
        "estimate": estimate,
        "busy": estimate is not None and estimate.state in DUE,
        "can_estimate": round_ is not None and round_.calibration is not None,
        "forecast": found,
        "expected": found.steps(STEPS) if found else [],
        "ends": found.until_spent(budget_of(project)) if found else None,
    }


PARTS = {
    "steps": ("dashboards/setup/steps.html", _steps),
    "imports": ("dashboards/setup/imports.html", _imports),
    "stages": ("dashboards/setup/stages.html", _stages),
    "opening": ("dashboards/setup/opening.html", _stages),
    "estimate": ("dashboards/setup/estimate.html", _estimate),
}
