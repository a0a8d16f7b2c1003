"""The page on a project's rounds: what each began with, the next one, and the long tail of the latest."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.stage_rows import in_order
from annotation_site.dashboards import usefulness
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.setup.changes import back
from annotation_site.paging import key_in, page_before
from annotation_site.verification.long_tail import long_tail
from annotation_site.verification.models import Cluster
from annotation_site.verification.next_round import NoNextRound, start_round
from annotation_site.verification.opening import NothingToOpen, NotOpen, open_long_tail

ROUNDS = 20
"""Rounds on a page."""
Stage = StageRun.Stage


class NextRoundForm(forms.Form):
    """How the next round begins; what is left empty is the project's own, or the default."""

    until = forms.ChoiceField(
        choices=[
            (Stage.OPEN.value, gettext_lazy("opening it to workers")),
            (Stage.CALIBRATE.value, gettext_lazy("the calibration, to look at it first")),
        ],
        label=gettext_lazy("Workers carry it on up to"),
    )
    least_gain = forms.FloatField(
        min_value=0,
        max_value=1000,
        required=False,
        label=gettext_lazy("Least gain"),
        help_text=gettext_lazy("None begins when the last one added less than this share of accepted masks."),
    )
    same_iou = forms.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        label=gettext_lazy("Same object from IoU"),
        help_text=gettext_lazy("Above it a mask shows an object that is accepted, and is not asked about."),
    )
    better_by = forms.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        label=gettext_lazy("Better by"),
        help_text=gettext_lazy("Such a mask is asked about all the same when its score is so much higher."),
    )
    now = forms.BooleanField(
        required=False, label=gettext_lazy("Begin now, and leave what the current round has open")
    )

    def __init__(self, project: Project, data: Any = None) -> None:
        super().__init__(data)
        fresh = Round()
        stand_for = {
            "least_gain": project.least_gain,
            "same_iou": fresh.same_iou,
            "better_by": fresh.better_by,
        }
        for name, value in stand_for.items():
            self.fields[name].widget.attrs |= {"placeholder": f"{value:g}", "step": "any"}

    @property
    def numbers(self) -> list[forms.BoundField]:
        """The fields that hold a number."""
        return [self[name] for name in ("least_gain", "same_iou", "better_by")]


@viewers
@require_GET
def rounds(request: HttpRequest, project: Project) -> HttpResponse:
    """All rounds, the latest first; `?usefulness` gives the part of it that changes while trainings run."""
    if "usefulness" in request.GET:
        return render(request, "dashboards/comparisons.html", usefulness.shown(project))
    return _page(request, project)


@admins
@require_POST
def begin(request: HttpRequest, project: Project) -> HttpResponse:
    """Begin the next round, or go on with one that was begun; workers carry it on."""
    form = NextRoundForm(project, request.POST)
    if form.is_valid():
        chosen = dict(form.cleaned_data)
        until = Stage(chosen.pop("until"))
        try:
            made = start_round(project=project, **chosen)
        except NoNextRound as refusal:
            form.add_error(None, str(refusal))
        else:
            enqueue.run_pipeline(project, until=until)
            messages.success(request, _("Workers carry round %(number)d on.") % {"number": made.number})
            return back(project, "stages")
    return _page(request, project, form=form, status=400)


@admins
@require_POST
def ask_the_tail(request: HttpRequest, project: Project) -> HttpResponse:
    """Ask about the latest round's categories without a cluster, mask by mask."""
    try:
        opened = open_long_tail(project=project, at=timezone.now())
    except (NotOpen, NothingToOpen) as refusal:
        messages.error(request, str(refusal))
    else:
        told = _("%(n)d masks of the long tail are asked about one by one.")
        messages.success(request, told % {"n": opened.asked})
    return redirect("dashboards:rounds", slug=project.slug)


def _page(
    request: HttpRequest, project: Project, *, form: NextRoundForm | None = None, status: int = 200
) -> HttpResponse:
    rows, older = _rounds(project, key_in(request.GET.get("before", "")))
    latest = project.rounds.order_by("-number").first()
    context = {
        "project": project,
        "section": "rounds",
        "rounds": rows,
        "older": older,
        "latest": latest,
        "is_open": latest is not None and _is_open(latest),
        "left": Cluster.objects.filter(tree__round=latest, is_open=True).count() if latest else 0,
        "tail": long_tail(latest) if latest else None,
        "form": form or NextRoundForm(project),
        **usefulness.shown(project),
        **usefulness.offered(project),
    }
    return render(request, "dashboards/rounds.html", context, status=status)


def _rounds(project: Project, before: int | None) -> tuple[list[Any], int | None]:
    """Rounds with `known_objects`, and `standing`: the stage that was reached last."""
    stages = Prefetch("stages", StageRun.objects.defer("detail"))
    found = project.rounds.annotate(known_objects=Count("known")).prefetch_related(stages).order_by("-pk")
    page: tuple[list[Any], int | None] = page_before(found, before, size=ROUNDS)
    rows, older = page
    for row in rows:
        begun = [run for run in in_order(row.stages.all()) if run.state != StageRun.State.WAITING]
        row.standing = begun[-1] if begun else None
    return rows, older


def _is_open(round_: Round) -> bool:
    return round_.stages.filter(stage=Stage.OPEN, state=StageRun.State.DONE).exists()
