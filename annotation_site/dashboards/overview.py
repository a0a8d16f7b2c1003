"""Everything the overview of a project says, gathered once for the page and its live updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from annotation_site.catalog.models import Project, StageRun
from annotation_site.dashboards import selectors
from annotation_site.dashboards.sharing import shared
from annotation_site.people.models import Membership
from annotation_site.verification.yields import Effort, effort_of
from pipeline.metrics import SECONDS_PER_DRAWING


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted over all decisions and judgments of a project.

    Their number of rows is bounded, by the project's categories and by `selectors.workers`; the time that
    counting takes is not: it grows with decisions and judgments, some of which are read once each.
    """

    categories: list[dict[str, Any]]
    outcomes: dict[str, int]
    effort: Effort
    workers: list[Membership]

    @classmethod
    def of(cls, project: Project) -> Figures:
        """Count."""
        return cls(
            categories=selectors.categories(project),
            outcomes=selectors.clusters_by_outcome(project),
            effort=effort_of(project),
            workers=list(selectors.workers(project)),
        )


@dataclass(frozen=True, slots=True)
class Bought:
    """What people's time has bought so far.

    Attributes
    ----------
    accepted, rejected, questions, gold, seconds : as `verification.yields` defines them
    budget : cap on questions; None is no cap
    committed : questions that the ledger holds as spent or reserved
    """

    accepted: int
    rejected: int
    questions: int
    gold: int
    seconds: float
    budget: int | None
    committed: int

    @property
    def per_mask(self) -> float | None:
        """Questions per accepted mask."""
        return self.questions / self.accepted if self.accepted else None

    @property
    def drawing_seconds(self) -> float:
        return self.accepted * SECONDS_PER_DRAWING

    @property
    def speed_up(self) -> float | None:
        """Times faster than drawing the accepted masks, the answers' time alone."""
        return self.drawing_seconds / self.seconds if self.seconds and self.accepted else None


def overview(project: Project) -> dict[str, Any]:
    """The context of the overview's template.

    Stages, images, budget and join link are read as they are, by index; `Figures` are shared by all who look
    within a few seconds.
    """
    figures = shared(project, "figures", Figures.of)
    round_ = selectors.latest_round(project)
    runs = selectors.stages(round_)
    return {
        "project": project,
        "round": round_,
        "stages": runs,
        "preparing": any(run.state != StageRun.State.DONE for run in runs),
        "images": selectors.image_counts(project),
        "predicted": sum(int(row["masks"]) for row in figures.categories),
        "categories": figures.categories,
        "outcomes": figures.outcomes,
        "clusters": sum(figures.outcomes.values()),
        "bought": _bought(project, figures),
        "workers": figures.workers,
        "join_link": project.join_links.filter(revoked_at__isnull=True).order_by("pk").first(),
    }


def _bought(project: Project, figures: Figures) -> Bought:
    budget = getattr(project, "budget", None)
    return Bought(
        accepted=sum(int(row["accepted"]) for row in figures.categories),
        rejected=sum(int(row["rejected"]) for row in figures.categories),
        questions=figures.effort.questions,
        gold=figures.effort.gold,
        seconds=figures.effort.seconds,
        budget=budget.questions if budget else None,
        committed=budget.committed_questions if budget else 0,
    )
