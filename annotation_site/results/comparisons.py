"""The usefulness experiment as background work (catalog/jobs.py): asked for, carried out, stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from annotation_site.catalog import jobs
from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project, Role
from annotation_site.results.models import Comparison
from annotation_site.results.truth import has_truth
from annotation_site.results.usefulness import SETS, Arm, NothingToCompare, compare_usefulness
from pipeline.progress import Progress, silent

MOST_SEEDS = 20
MOST_ITERATIONS = 1_000_000
PARTS = 1000
"""Steps of progress that each training is."""


class ComparisonUnderWay(ValueError):
    """The project has one that waits or runs; they share what was learnt."""


def obstacle(project: Project) -> str:
    """Why nothing can be compared now, for people; empty when it can."""
    latest = project.rounds.order_by("-number").first()
    if latest is None or not latest.known.exists():
        return "No round begins with accepted masks yet: begin the next round first."
    if not project.images.filter(role=Role.HELDOUT).exists():
        return "There are no held-out images to measure on: import some."
    if not has_truth(project):
        return "The pool images have no annotations to take drawn masks from: import them with a COCO file."
    return ""


def ask_for_comparison(
    *, project: Project, by: User | None, at: datetime, seeds: int = 1, iterations: int | None = None
) -> Comparison:
    """A comparison, of what the latest round began with, that waits for a worker.

    Parameters
    ----------
    seeds : trainings of each of the three sets, 1 to 20
    iterations : of each training, from 1; None for the project's own

    Raises
    ------
    NothingToCompare
        When something is missing; the message says what.
    ComparisonUnderWay
    ValueError
        When a number is out of range.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"{seeds} trainings of each set: give 1 to {MOST_SEEDS}.")
    if iterations is not None and not 1 <= iterations <= MOST_ITERATIONS:
        raise ValueError(f"{iterations} iterations: give 1 to {MOST_ITERATIONS:,}.")
    if reason := obstacle(project):
        raise NothingToCompare(reason)
    if project.comparisons.filter(state__in=jobs.DUE).exists():
        raise ComparisonUnderWay("A comparison is under way: stop it, or wait until it is done.")
    return Comparison.objects.create(
        project=project,
        round=project.rounds.latest("number"),
        seeds=seeds,
        iterations=iterations,
        asked_by=by,
        asked_at=at,
    )


def carry_out_comparison(
    run: Comparison, *, also: Progress = silent, clock: Callable[[], datetime] = timezone.now
) -> Comparison:
    """Carry out one that waits, or whose process died; one that somebody is at is left alone.

    So is one of a project of which another is being carried out.
    """
    with Claims() as turns:
        if turns.take(Kind.COMPARISON_TURN, run.project_id):
            jobs.carry_out(run, partial(_compare, run), also=also, clock=clock)
    return run


def stop_comparison(run: Comparison, *, at: datetime) -> None:
    """Let whoever is at it end after the piece at hand; what was learnt is kept, to go on with."""
    jobs.request_stop(run, at=at)


def go_on(run: Comparison) -> bool:
    """Let workers go on with one that was stopped or failed; whether it is one.

    Raises
    ------
    ComparisonUnderWay
    """
    others = run.project.comparisons.exclude(pk=run.pk)
    if others.filter(state__in=jobs.DUE).exists():
        raise ComparisonUnderWay("Another comparison is under way: stop it, or wait until it is done.")
    return jobs.try_again(run)


def forget(run: Comparison) -> bool:
    """Delete one; what was learnt stays for the next. One that somebody is at is stopped: forget it then."""
    return jobs.discard(run, lambda _: None)


def _compare(run: Comparison, progress: Progress) -> None:
    check_in_use(run.project)
    arms: list[dict[str, Any]] = []
    course = _Course(progress, trainings=len(SETS) * run.seeds)

    def keep(arm: Arm) -> None:
        arms.append(arm.to_json())
        jobs.change(run, arms=arms)

    jobs.change(run, arms=arms)
    chosen: dict[str, Any] = {} if run.iterations is None else {"iterations": run.iterations}
    compare_usefulness(run.round, seeds=run.seeds, watch=course.begin, each=keep, **chosen)


@dataclass(slots=True)
class _Course:
    """One progress of several trainings, which never goes back."""

    progress: Progress
    trainings: int
    _begun: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)

    def begin(self, name: str) -> Progress:
        """That of the next training."""
        base = self._begun * PARTS
        self._begun += 1

        def tell(done: int, total: int, message: str = "") -> None:
            self._done = max(self._done, base + (PARTS * done // total if total else 0))
            self.progress(self._done, self.trainings * PARTS, f"{name}: {message}" if message else name)

        return tell
