"""The part of the rounds page that tells what accepted masks are worth to a model, and has it measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from annotation_site import enqueue
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins
from annotation_site.results import comparisons
from annotation_site.results.comparisons import MOST_ITERATIONS, MOST_SEEDS, ComparisonUnderWay
from annotation_site.results.models import Comparison
from annotation_site.results.usefulness import SETS, NothingToCompare

SHOWN = 10
"""Comparisons on the page, the newest."""
LABELS = {
    "initial": gettext_lazy("initial set alone"),
    "initial + drawn": gettext_lazy("with drawn masks"),
    "initial + accepted": gettext_lazy("with accepted masks"),
}


class ComparisonForm(forms.Form):
    """How it is measured."""

    seeds = forms.IntegerField(
        min_value=1,
        max_value=MOST_SEEDS,
        initial=1,
        label=gettext_lazy("Trainings of each set"),
        help_text=gettext_lazy("Small differences are chance: several trainings tell by how much."),
    )
    iterations = forms.IntegerField(
        min_value=1,
        max_value=MOST_ITERATIONS,
        required=False,
        label=gettext_lazy("Iterations of each"),
        help_text=gettext_lazy("Empty: as many as the detector is set to."),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """One training set and the models that were made of it.

    Attributes
    ----------
    images, masks : learnt from, beyond the initial set
    hours : of people, for them
    ap50, ap75 : mean average precision of the trainings, 0 to 1
    spread50, spread75 : standard deviations; None of a single training
    """

    label: Any
    images: int
    masks: int
    hours: float
    ap50: float
    ap75: float
    spread50: float | None
    spread75: float | None

    @classmethod
    def of(cls, name: str, arms: Sequence[dict[str, Any]]) -> Measured:
        first = arms[0]
        values = {key: [float(arm[key]) for arm in arms] for key in ("ap50", "ap75")}
        spreads = {key: statistics.stdev(found) if len(found) > 1 else None for key, found in values.items()}
        return cls(
            label=LABELS.get(name, name),
            images=first["images"],
            masks=first["masks"],
            hours=first["hours"],
            ap50=statistics.mean(values["ap50"]),
            ap75=statistics.mean(values["ap75"]),
            spread50=spreads["ap50"],
            spread75=spreads["ap75"],
        )


def shown(project: Project) -> dict[str, Any]:
    """The context of the part that changes: the latest comparisons with what they measured."""
    runs = list(project.comparisons.select_related("round", "asked_by")[:SHOWN])
    for run in runs:
        run.measured = measured(run)  # type: ignore[attr-defined]
    return {"project": project, "comparisons": runs}


def offered(project: Project) -> dict[str, Any]:
    """The rest of the section: a form for another one, or why there can be none. Not for every look at it."""
    return {"obstacle": comparisons.obstacle(project), "comparison_form": ComparisonForm()}


def measured(run: Comparison) -> list[Measured]:
    """What is known by now, set by set."""
    by_set = {name: [arm for arm in run.arms if arm["trained_on"] == name] for name in SETS}
    return [Measured.of(name, arms) for name, arms in by_set.items() if arms]


@admins
@require_POST
def ask(request: HttpRequest, project: Project) -> HttpResponse:
    """Ask for a comparison; a worker of the GPUs carries it out."""
    form = ComparisonForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
        return _back(project)
    try:
        by = request.user if isinstance(request.user, User) else None
        run = comparisons.ask_for_comparison(project=project, by=by, at=timezone.now(), **form.cleaned_data)
    except (NothingToCompare, ComparisonUnderWay) as refusal:
        messages.error(request, str(refusal))
    else:
        enqueue.compare_usefulness(run.pk)
    return _back(project)


@admins
@require_POST
def change(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Stop a comparison, go on with one, or delete it."""
    run = get_object_or_404(project.comparisons, pk=pk)
    verb = request.POST.get("do")
    if verb == "stop":
        comparisons.stop_comparison(run, at=timezone.now())
    elif verb == "delete":
        if not comparisons.forget(run):
            messages.error(request, _("It is being stopped: delete it then."))
    elif verb == "go-on":
        try:
            if comparisons.go_on(run):
                enqueue.compare_usefulness(run.pk)
        except ComparisonUnderWay as refusal:
            messages.error(request, str(refusal))
    return _back(project)


def _back(project: Project) -> HttpResponse:
    answer = redirect("dashboards:rounds", slug=project.slug)
    answer["Location"] += "#usefulness"
    return answer
