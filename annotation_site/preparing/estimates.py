"""What a campaign is expected to bring: `verification.forecasting` as a job (catalog/jobs.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from django.utils import timezone

from annotation_site.catalog import jobs
from annotation_site.catalog.jobs import State
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.preparing.models import Estimate
from annotation_site.verification.forecasting import Forecast, forecast, in_terms_of
from pipeline.planning import Plan
from pipeline.progress import Progress, silent


def ask_for_estimate(project: Project) -> Estimate:
    """An estimate of the project's current round, which waits for a worker; a new one replaces an old one."""
    round_ = current_round(project)
    estimate, _ = Estimate.objects.get_or_create(round=round_)
    Estimate.objects.filter(pk=estimate.pk).exclude(state=State.RUNNING).update(
        state=State.WAITING, error="", done=0, total=0, message="", deaths=0, stop_requested=False
    )
    estimate.refresh_from_db()
    return estimate


def make_estimate(
    estimate: Estimate, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Estimate:
    """Work out an estimate that waits, or whose process died; one that somebody is at is left alone."""
    jobs.carry_out(estimate, partial(_plan, estimate), also=also, clock=clock)
    return estimate


def known_forecast(round_: Round) -> Forecast | None:
    """The last estimate of a round, at what the project pays now; None where there is none."""
    estimate = Estimate.objects.filter(round=round_, plan__isnull=False).first()
    if estimate is None or estimate.plan is None:
        return None
    stored = estimate.plan
    plan = Plan(**{name: np.array(stored[name], float) for name in _columns()})
    return in_terms_of(round_.project, plan, masks=stored["masks"], votes=stored["votes"])


def _plan(estimate: Estimate, progress: Progress) -> None:
    found = forecast(project=estimate.round.project, rng=np.random.default_rng(0), progress=progress)
    jobs.change(estimate, plan=_plain(found))


def _plain(found: Forecast) -> dict[str, Any]:
    columns = {name: getattr(found.plan, name) for name in _columns()}
    finite = {
        name: np.where(np.isnan(column), np.array(None), column).tolist() for name, column in columns.items()
    }
    return {**finite, "masks": found.masks, "votes": found.votes}


def _columns() -> list[str]:
    return [field.name for field in fields(Plan)]
