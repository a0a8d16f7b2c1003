"""The model page, its contact sheet, and what an admin changes there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.audit.models import Entry
from annotation_site.budget.caps import budget_of
from annotation_site.catalog.choosing import choose_detector, choose_k_pa
from annotation_site.catalog.foreign_predictions import OtherPredictions
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.offering import OfferRefused, offer_predictions, withdraw_offer
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, StageError
from annotation_site.dashboards import changes
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.model import facts
from annotation_site.dashboards.model.asked import round_of, trees_of
from annotation_site.dashboards.model.forms import DetectorForm, OfferForm, ThresholdForm
from annotation_site.dashboards.model.heldout import (
    DEFAULT_ORDER,
    ORDERS,
    heldout_trees,
    place_of,
    sheet,
    told_place,
)
from annotation_site.verification.ground import rules_in_force
from pipeline.detection import DETECTORS, InvalidOption

CHOICES_SHOWN = 10
"""Of K_pa, the newest."""
TOLD_ORDERS = {
    "overconfident": gettext_lazy("most overconfident"),
    "underconfident": gettext_lazy("most underconfident"),
    "best": gettext_lazy("best IoU"),
    "worst": gettext_lazy("worst IoU"),
}


@viewers
@require_GET
def page(request: HttpRequest, project: Project) -> HttpResponse:
    """The page; `?live` gives the part of it that changes while a stage runs."""
    round_ = round_of(request, project)
    if "live" in request.GET:
        context = {"project": project, **facts.standing(round_)}
        return render(request, "dashboards/model/live.html", context)
    return _page(request, project, round_)


def _page(
    request: HttpRequest,
    project: Project,
    round_: Round | None,
    *,
    detector: DetectorForm | None = None,
    offer: OfferForm | None = None,
    status: int = 200,
) -> HttpResponse:
    found = facts.calibration_of(round_)
    context = {
        "project": project,
        "section": "model",
        **facts.standing(round_),
        "rounds": list(project.rounds.order_by("-number").values_list("number", flat=True)),
        "is_latest": round_ is None or not project.rounds.filter(number__gt=round_.number).exists(),
        "detectors": DETECTORS,
        "detector_form": detector or DetectorForm(project),
        "offer_form": offer or OfferForm(),
        "trees": heldout_trees(round_),
        "calibration": found,
        "missing": facts.missing(round_),
        "k_pa": round_ and rules_in_force(round_).thresholds["k_pa"],
        "choices": _choices(project)[:CHOICES_SHOWN],
        "currency": budget_of(project).currency,
        "own": "" if round_ is None else f"round={round_.number}",
    }
    return render(request, "dashboards/model/page.html", context, status=status)


@admins
@require_POST
def choose(request: HttpRequest, project: Project) -> HttpResponse:
    """Choose the detector of the next training."""
    form = DetectorForm(project, request.POST)
    if form.is_valid():
        try:
            chosen = form.cleaned_data["detector"]
            choose_detector(project=project, detector=chosen, options=form.options())
        except InvalidOption as error:
            form.add_error(None, forms.ValidationError(str(error)))
        else:
            messages.success(request, _("The next training is of %(name)s.") % {"name": project.detector})
            return redirect("dashboards:model", slug=project.slug)
    return _page(request, project, round_of(request, project), detector=form, status=400)


@admins
@require_POST
def offer(request: HttpRequest, project: Project) -> HttpResponse:
    """Keep uploaded predictions, and let workers take them in, cluster and calibrate."""
    form = OfferForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            offer_predictions(
                project=project,
                offer=form.offer(),
                replace=form.cleaned_data["replace"],
                by=_user(request),
                at=timezone.now(),
            )
        except (OfferRefused, OtherPredictions, StageError) as error:
            form.add_error(None, forms.ValidationError(str(error)))
        else:
            enqueue.run_pipeline(project, until=Stage.CALIBRATE)
            return redirect("dashboards:model", slug=project.slug)
    return _page(request, project, round_of(request, project), offer=form, status=400)


@admins
@require_POST
def change_offer(request: HttpRequest, project: Project) -> HttpResponse:
    """Stop taking uploaded predictions in, try again, or forget them."""
    verb = request.POST.get("do", "")
    try:
        if verb == "stop":
            enqueue.stop_pipeline(project)
        elif verb == "retry":
            enqueue.run_pipeline(project, until=Stage.CALIBRATE)
        elif verb == "withdraw":
            withdraw_offer(current_round(project))
    except StageError as error:
        messages.error(request, str(error))
    return redirect("dashboards:model", slug=project.slug)


@admins
@require_POST
def threshold(request: HttpRequest, project: Project) -> HttpResponse:
    """Choose K_pa, or leave it to the calibration."""
    form = ThresholdForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("K_pa lies between 0 and 1."))
        return redirect("dashboards:model", slug=project.slug)
    k_pa = form.cleaned_data["k_pa"]
    counts = choose_k_pa(project=project, k_pa=k_pa)
    told = _("K_pa is the calibrated one.") if k_pa is None else _("K_pa is %(k).2f.") % {"k": k_pa}
    if not counts:
        told += " " + _("It counts from the next round on: people answer about this one already.")
    messages.success(request, told)
    return redirect("dashboards:model", slug=project.slug)


@viewers
@require_GET
def contact_sheet(request: HttpRequest, project: Project) -> HttpResponse:
    """Predictions on held-out images, a page by key."""
    round_ = round_of(request, project)
    order = request.GET.get("order", "")
    order = order if order in ORDERS else DEFAULT_ORDER
    found = sheet(trees_of(request, round_), order=order, after=place_of(request.GET.get("after", "")))
    asked = {"order": order, "category": request.GET.get("category", "")}
    asked |= {"round": str(round_.number)} if round_ else {}
    kept = urlencode({name: value for name, value in asked.items() if value})
    context: dict[str, Any] = {
        "project": project, "section": "model", "round": round_, "sheet": found, "order": order,
        "orders": TOLD_ORDERS, "category": asked["category"], "trees": heldout_trees(round_),
        "first": f"?{kept}", "is_first": "after" not in request.GET,
        "next": found.after and f"?{kept}&after={told_place(found.after)}",
    }  # fmt: skip
    return render(request, "dashboards/model/sheet.html", context)


def _choices(project: Project) -> QuerySet[Entry]:
    """The changes of the project's own K_pa, newest first."""
    return changes.entries(project=project, what=Project._meta.label).filter(before__has_key="k_pa")


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
