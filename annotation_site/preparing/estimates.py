"""What a campaign is expected to bring, as background work: one plan a round, kept with what it rests on.

Set-up, overview, launch and API read the same plan. One that rests on other trees, another calibration or
other parameters than the round has now is told as none: workers make it anew, unasked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted, explain
from annotation_site.catalog.steps import RowSteps
from annotation_site.preparing.models import Estimate, State
from annotation_site.verification.forecasting import Basis, Forecast, basis_of, forecast, plan_campaign
from pipeline.planning import Plan
from pipeline.progress import Progress, StopRequested, silent

BUSY = (State.WAITING, State.RUNNING)
GIVEN_UP = (
    f"Its process died {MOST_DEATHS} times. Most often the machine has too little memory for the trees. Once "
    "that is put right, estimate again."
)
log = logging.getLogger(__name__)


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
    """Estimates that projects' latest rounds lack, once they are calibrated, or whose basis has changed.

    What failed or was stopped is not tried again by itself, until its basis changes.
    """
    latest = Round.objects.order_by("project_id", "-number").distinct("project_id").values("pk")
    rounds = Round.objects.filter(pk__in=latest, calibration__isnull=False).select_related("project")
    due = []
    for round_ in rounds.select_related("estimate").defer("estimate__plan").iterator():
        basis, found = basis_of(round_), getattr(round_, "estimate", None)
        if basis.is_complete and (found is None or not _counts(found, basis)):
            due.append(_wait(round_, basis))
    return due


def waiting_estimates() -> QuerySet[Estimate]:
    """Those that nobody is at."""
    wanted = Estimate.objects.filter(state__in=BUSY).order_by("pk")
    return wanted.exclude(pk__in=claimed(Kind.ESTIMATE, wanted.values_list("pk", flat=True)))


def make_estimate(
    estimate: Estimate, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Estimate:
    """Work out an estimate that waits, or whose process died; one that somebody is at is left alone."""
    with Claims() as claims:
        if claims.take(Kind.ESTIMATE, estimate.pk):
            estimate.refresh_from_db()
            if estimate.state == State.RUNNING:
                _note_death(estimate, clock())
            if estimate.state in BUSY:
                _carry_out(estimate, claims, also, clock)
    return estimate


def _counts(estimate: Estimate, basis: Basis) -> bool:
    """Whether it is under way, or ended for this very basis."""
    return estimate.state in BUSY or estimate.rests_on == basis.digest


def _wait(round_: Round, basis: Basis) -> Estimate:
    estimate, _ = Estimate.objects.get_or_create(round=round_)
    left = Q(state=State.RUNNING) | Q(state=State.DONE, rests_on=basis.digest)
    Estimate.objects.filter(pk=estimate.pk).exclude(left).update(
        state=State.WAITING, error="", done=0, total=0, message="", stop_requested=False, deaths=0,
        rests_on="", plan=None,
    )  # fmt: skip
    estimate.refresh_from_db()
    return estimate


def _note_death(estimate: Estimate, at: datetime) -> None:
    """Whoever was at it is gone; an estimate that ends its processes again and again is given up."""
    _change(estimate, deaths=estimate.deaths + 1)
    if estimate.deaths >= MOST_DEATHS:
        _change(estimate, state=State.FAILED, error=GIVEN_UP, finished_at=at)


def _carry_out(estimate: Estimate, claims: Claims, also: Progress, clock: Callable[[], datetime]) -> None:
    round_ = estimate.round
    _change(estimate, state=State.RUNNING, error="", stop_requested=False)
    try:
        basis = basis_of(round_)
        _change(estimate, rests_on=basis.digest)
        plan = plan_campaign(round_, basis, progress=RowSteps(estimate, claims, tells=True, also=also))
    except Interrupted:
        _change(estimate, state=State.WAITING)
    except StopRequested:
        _change(estimate, state=State.STOPPED, finished_at=clock())
    except Exception as error:  # whatever it is, people must see it
        log.warning("%s failed.", estimate, exc_info=True)
        _change(estimate, state=State.FAILED, error=explain(error), finished_at=clock())
    else:
        _change(estimate, state=State.DONE, plan=plan.to_json(), message="", finished_at=clock())


def _change(estimate: Estimate, **values: object) -> None:
    Estimate.objects.filter(pk=estimate.pk).update(**values)
    estimate.refresh_from_db()
