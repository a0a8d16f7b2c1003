"""Everything the overview of a project says, gathered once for the page, its live updates and its charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from annotation_site import enqueue
from annotation_site.budget.ledger import Spend, spend_of
from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.roles import image_counts
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards import selectors
from annotation_site.dashboards.alarms import Watched, alarms
from annotation_site.dashboards.sharing import shared, shared_later
from annotation_site.people.models import Membership, WorkRecord
from annotation_site.preparing.estimates import estimated
from annotation_site.preparing.models import Estimate
from annotation_site.results.course import Course, course_of
from annotation_site.verification.carrying_on import awaited
from annotation_site.verification.looking_ahead import DAY, Ahead, Stand, look_ahead, present_rate
from annotation_site.verification.yields import Effort
from pipeline.metrics import SECONDS_PER_DRAWING

WORKER_EVERY = 20
"""Seconds between two looks which Celery workers answer."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted over all decisions and judgments of a project.

    Their number of rows is bounded, by the project's categories, by `results.course` and by
    `selectors.busiest`; the time that counting takes is not: it grows with decisions and judgments.
    """

    course: Course
    categories: list[dict[str, Any]]
    outcomes: dict[str, int]
    spend: Spend
    workers: list[tuple[Membership, WorkRecord]]
    at: datetime
    estimate: Estimate | None
    ahead: Ahead | None

    @classmethod
    def of(cls, project: Project) -> Figures:
        """Count; nothing is expected any more once nothing is left to ask."""
        course, spend, now = course_of(project), spend_of(project), timezone.now()
        categories = selectors.categories(project, course)
        outcomes = selectors.clusters_by_outcome(course, categories)
        is_over = course.effort.questions > 0 and not outcomes["open"]
        stand = _stand(course, spend, now)
        latest = None if is_over else project.rounds.order_by("-number").first()
        estimate, expected = estimated(latest) if latest else (None, None)
        budget = getattr(project, "budget", None)
        return cls(
            course=course,
            categories=categories,
            outcomes=outcomes,
            spend=spend,
            workers=selectors.busiest(project),
            at=now,
            estimate=estimate,
            ahead=look_ahead(latest, expected, budget, stand, at=now) if latest and expected else None,
        )

    @property
    def effort(self) -> Effort:
        return self.course.effort

    @property
    def per_hour(self) -> float | None:
        """Answers, as people give them at present."""
        return _rate(self.course, self.at)


def _rate(course: Course, at: datetime) -> float | None:
    recent = sum(hour.answers for hour in course.hours if at - hour.at <= DAY)
    return present_rate(recent, first=course.first, at=at)


def _stand(course: Course, spend: Spend, at: datetime) -> Stand:
    accepted, effort = sum(became.accepted for became in course.categories.values()), course.effort
    return Stand(effort.questions, effort.gold, accepted, spend.money, _rate(course, at))


@dataclass(frozen=True, slots=True)
class Bought:
    """What people's time and the money have bought so far.

    Attributes
    ----------
    accepted, rejected, questions, gold, seconds : as `verification.yields` defines them
    budget : the project's caps and terms; None before any are set
    spend : what the ledger comes to
    """

    accepted: int
    rejected: int
    questions: int
    gold: int
    seconds: float
    budget: Budget | None
    spend: Spend

    @property
    def per_mask(self) -> float | None:
        """Questions per accepted mask."""
        return self.questions / self.accepted if self.accepted else None

    @property
    def money_per_mask(self) -> Decimal | None:
        """Spent for good, fees included, per accepted mask; None where nothing is paid."""
        return self.spend.money / self.accepted if self.accepted and self.spend.money else None

    @property
    def committed_share(self) -> Decimal | None:
        """Of the cap that is nearer to its end."""
        return self.budget.committed_share if self.budget else None

    @property
    def hours(self) -> float:
        """Of answering."""
        return self.seconds / 3600

    @property
    def drawing_seconds(self) -> float:
        return self.accepted * SECONDS_PER_DRAWING

    @property
    def speed_up(self) -> float | None:
        """Times faster than drawing the accepted masks, the answers' time alone."""
        return self.drawing_seconds / self.seconds if self.seconds and self.accepted else None


def figures_of(project: Project) -> Figures:
    """What all who look within a few seconds share."""
    return shared(project, "overview", Figures.of)


def overview(project: Project) -> dict[str, Any]:
    """The context of the overview's template.

    Stages, images, budget and join link are read as they are, by index; `Figures` are shared.
    """
    figures = figures_of(project)
    round_ = selectors.latest_round(project)
    runs = rows_of(round_)
    budget = getattr(project, "budget", None)
    watched = Watched(
        project=project,
        runs=runs,
        budget=budget,
        course=figures.course,
        open_clusters=figures.outcomes["open"],
        queues=shared_later("queues-served", enqueue.served_queues, every=WORKER_EVERY),
        at=timezone.now(),
        awaited=awaited(round_, runs) if round_ else None,
    )
    return {
        "project": project,
        "round": round_,
        "stages": runs,
        "preparing": any(run.state != StageRun.State.DONE for run in runs),
        "alarms": alarms(watched),
        "images": image_counts(project),
        "predicted": sum(int(row["masks"]) for row in figures.categories),
        "categories": figures.categories,
        "outcomes": figures.outcomes,
        "clusters": sum(figures.outcomes.values()),
        "bought": _bought(budget, figures),
        "quality": figures.course.quality,
        "by_hand": figures.course.by_hand,
        "hours": figures.course.hours,
        "gold": figures.course.gold,
        "per_hour": figures.per_hour,
        "ahead": figures.ahead,
        "estimate": figures.estimate,
        "workers": figures.workers,
        "join_link": project.join_links.filter(revoked_at__isnull=True).order_by("pk").first(),
    }


def forecast(project: Project) -> dict[str, Any]:
    """The context of the forecast's card, on pages besides the overview."""
    figures = figures_of(project)
    return {
        "round": selectors.latest_round(project),
        "ahead": figures.ahead,
        "estimate": figures.estimate,
        "outcomes": figures.outcomes,
        "bought": _bought(getattr(project, "budget", None), figures),
    }


def _bought(budget: Budget | None, figures: Figures) -> Bought:
    return Bought(
        accepted=sum(row["accepted"] for row in figures.categories),
        rejected=sum(row["rejected"] for row in figures.categories),
        questions=figures.effort.questions,
        gold=figures.effort.gold,
        seconds=figures.effort.seconds,
        budget=budget,
        spend=figures.spend,
    )
