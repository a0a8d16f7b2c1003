"""What is filled in on the set-up page: categories, parameters, budget, and the wish for an estimate."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation_site import enqueue
from annotation_site.budget.caps import BudgetError, budget_of, change_budget
from annotation_site.catalog.changing import (
    add_categories,
    change_parameters,
    name_categories,
    remove_category,
)
from annotation_site.catalog.models import Category, Project
from annotation_site.catalog.projects import ProjectRefused, categories_of
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.setup.creating import on_disk
from annotation_site.dashboards.setup.forms import BudgetForm, CategoriesForm, ParametersForm, names_in
from annotation_site.dashboards.setup.page import page
from annotation_site.preparing.estimates import ask_for_estimate
from annotation_site.preparing.imports import without_folders
from pipeline.coco import CocoError


@admins
@require_POST
def categories(request: HttpRequest, project: Project) -> HttpResponse:
    """Add categories by hand or of a COCO file, or take one away."""
    form = CategoriesForm(request.POST, request.FILES)
    try:
        if removed := request.POST.get("remove", ""):
            known = Category.objects.select_related("project").filter(project=project)
            remove_category(get_object_or_404(known, pk=removed if removed.isdecimal() else 0))
        elif form.is_valid():
            _add(project, form)
    except (ProjectRefused, CocoError) as error:
        messages.error(request, without_folders(str(error)))
    return back(project, "categories")


def _add(project: Project, form: CategoriesForm) -> None:
    names, coco = form.cleaned_data["categories"], form.cleaned_data["coco"]
    if coco:
        with on_disk(coco) as path:
            add_categories(project=project, categories=categories_of(path))
    else:
        add_categories(project=project, categories=name_categories(project, names_in(names)))


@admins
@require_POST
def parameters(request: HttpRequest, project: Project) -> HttpResponse:
    """Change the parameters."""
    form = ParametersForm(request.POST, instance=project)
    if form.is_valid():
        try:
            change_parameters(project=project, values=form.cleaned_data)
        except ProjectRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The parameters are changed."))
            return back(project, "parameters")
    project.refresh_from_db()
    return page(request, project, at="parameters", status=400, parameters=form)


@admins
@require_POST
def budget(request: HttpRequest, project: Project) -> HttpResponse:
    """Change caps and pay."""
    form = BudgetForm(request.POST, instance=budget_of(project))
    if form.is_valid():
        try:
            change_budget(project=project, **form.cleaned_data)
        except BudgetError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The budget is changed."))
            return back(project, "budget")
    return page(request, project, at="budget", status=400, budget=form)


@admins
@require_POST
def estimate(_request: HttpRequest, project: Project) -> HttpResponse:
    """Let a worker work out what the campaign will bring."""
    enqueue.make_estimate(ask_for_estimate(project).pk)
    return back(project, "budget")


def back(project: Project, step: str) -> HttpResponse:
    """To a step of the page."""
    return redirect(f"{reverse('dashboards:setup', args=[project.slug])}?at={step}#{step}")
