"""What a campaign is expected to bring, as a job (catalog/jobs.py): one plan a round, with what it rests on.

Set-up, overview, launch and API read the same plan. One that rests on other trees, another calibration or
other parameters than the round has now is told as none: workers make it anew, unasked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db.models import Q
from django.utils import timezone

from annotation_site.catalog import jobs
from annotation_site.catalog.jobs import DUE, State
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.preparing.models import Estimate
from annotation_site.verification.forecasting import Basis, Forecast, basis_of, forecast, plan_campaign
from pipeline.planning import Plan
from pipeline.progress import Progress, silent


def estimated(round_: Round) -> tuple[Estimate, Forecast | None]:
    """The estimate of a round as it is now, and what it says, at what the project pays now, once it is done.

    Where there is none that counts it is an unsaved row: in state waiting if workers come to it by
    themselves, without a state as long as there is nothing to plan with.
    """
    basis = basis_of(round_)
    found = Estimate.objects.filter(round=round_).first()
    if found is None or not _counts(found, basis):
        return Estimate(round=round_, state=State.WAITING if basis.is_complete else ""), None
    return found, None if found.plan is None else forecast(round_, basis, Plan.from_json(found.plan))


def ask_for_estimate(project: Project) -> Estimate:
    """An estimate of the project's current round that waits for a worker, unless it is done or under way."""
    round_ = current_round(project)
    return _wait(round_, basis_of(round_))


def ask_for_due() -> list[Estimate]:
    """Estimates that latest rounds of projects in use lack, once calibrated, or whose basis has changed.

    What failed or was stopped is not tried again by itself, until its basis changes.
    """
    latest = Round.objects.order_by("project_id", "-number").distinct("project_id").values("pk")
    in_use = Round.objects.exclude(project__state__in=Project.PUT_AWAY)
    rounds = in_use.filter(pk__in=latest, calibration__isnull=False).select_related("project")
    due = []
    for round_ in rounds.select_related("estimate").defer("estimate__plan").iterator():
        basis, found = basis_of(round_), getattr(round_, "estimate", None)
        if basis.is_complete and (found is None or not _counts(found, basis)):
            due.append(_wait(round_, basis))
    return due


def make_estimate(
    estimate: Estimate, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Estimate:
    """Work out an estimate that waits, or whose process died; one that somebody is at is left alone."""
    jobs.carry_out(estimate, partial(_plan, estimate), also=also, clock=clock)
    return estimate


def _counts(estimate: Estimate, basis: Basis) -> bool:
    """Whether it is under way, or ended for this very basis."""
    return estimate.state in DUE or estimate.rests_on == basis.digest


def _wait(round_: Round, basis: Basis) -> Estimate:
    estimate, _ = Estimate.objects.get_or_create(round=round_)
    left = Q(state=State.RUNNING) | Q(state=State.DONE, rests_on=basis.digest)
    Estimate.objects.filter(pk=estimate.pk).exclude(left).update(
        state=State.WAITING, error="", done=0, total=0, message="", stop_requested=False, deaths=0,
        rests_on="", plan=None,
    )  # fmt: skip
    estimate.refresh_from_db()
    return estimate


def _plan(estimate: Estimate, progress: Progress) -> None:
    basis = basis_of(estimate.round)
    jobs.change(estimate, rests_on=basis.digest)
    jobs.change(estimate, plan=plan_campaign(estimate.round, basis, progress=progress).to_json())
