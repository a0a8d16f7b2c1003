"""What a campaign is expected to bring, as background work: `verification.forecasting`, kept in a row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.jobs import State
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Interrupted, explain
from annotation_site.catalog.steps import RowSteps
from annotation_site.preparing.models import Estimate
from annotation_site.verification.forecasting import Forecast, forecast, in_terms_of
from pipeline.planning import Plan
from pipeline.progress import Progress, StopRequested, silent

log = logging.getLogger(__name__)


def ask_for_estimate(project: Project) -> Estimate:
    """An estimate of the project's current round, which waits for a worker; a new one replaces an old one."""
    round_ = current_round(project)
    estimate, _ = Estimate.objects.get_or_create(round=round_)
    Estimate.objects.filter(pk=estimate.pk).exclude(state=State.RUNNING).update(
        state=State.WAITING, error="", done=0, total=0, message="", stop_requested=False
    )
    estimate.refresh_from_db()
    return estimate


def make_estimate(
    estimate: Estimate, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Estimate:
    """Work out an estimate that waits, or whose process died; one that somebody is at is left alone."""
    with Claims() as claims:
        if claims.take(Kind.ESTIMATE, estimate.pk):
            estimate.refresh_from_db()
            if estimate.state in (State.WAITING, State.RUNNING):
                _carry_out(estimate, claims, also, clock)
    return estimate


def waiting_estimates() -> QuerySet[Estimate]:
    """Those that nobody is at."""
    wanted = Estimate.objects.filter(state__in=[State.WAITING, State.RUNNING]).order_by("pk")
    return wanted.exclude(pk__in=claimed(Kind.ESTIMATE, wanted.values_list("pk", flat=True)))


def known_forecast(round_: Round) -> Forecast | None:
    """The last estimate of a round, at what the project pays now; None where there is none."""
    estimate = Estimate.objects.filter(round=round_, plan__isnull=False).first()
    if estimate is None or estimate.plan is None:
        return None
    stored = estimate.plan
    plan = Plan(**{name: np.array(stored[name], float) for name in _columns()})
    return in_terms_of(round_.project, plan, masks=stored["masks"], votes=stored["votes"])


def _carry_out(estimate: Estimate, claims: Claims, also: Progress, clock: Callable[[], datetime]) -> None:
    _change(estimate, state=State.RUNNING, error="", stop_requested=False)
    steps = RowSteps(estimate, claims, also=also)
    try:
        plan = _plain(forecast(project=estimate.round.project, rng=np.random.default_rng(0), progress=steps))
    except Interrupted:
        _change(estimate, state=State.WAITING)
    except StopRequested:
        _change(estimate, state=State.STOPPED, finished_at=clock())
    except Exception as error:  # whatever it is, people must see it
        log.warning("%s failed.", estimate, exc_info=True)
        _change(estimate, state=State.FAILED, error=explain(error), finished_at=clock())
    else:
        _change(estimate, state=State.DONE, plan=plan, message="", finished_at=clock())


def _plain(found: Forecast) -> dict[str, Any]:
    columns = {name: getattr(found.plan, name) for name in _columns()}
    finite = {
        name: np.where(np.isnan(column), np.array(None), column).tolist() for name, column in columns.items()
    }
    return {**finite, "masks": found.masks, "votes": found.votes}


def _columns() -> list[str]:
    return [field.name for field in fields(Plan)]


def _change(estimate: Estimate, **values: object) -> None:
    Estimate.objects.filter(pk=estimate.pk).update(**values)
    estimate.refresh_from_db()
