"""Everything the overview of a project says, gathered once for the page and its live updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from annotation_site.catalog.models import Project, StageRun
from annotation_site.dashboards import selectors
from pipeline.metrics import SECONDS_PER_DRAWING


@dataclass(frozen=True, slots=True)
class Bought:
    """What people's time has bought so far."""

    accepted: int
    rejected: int
    questions: int
    seconds: float
    budget: int | None

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
    """The context of the overview's template."""
    round_ = selectors.latest_round(project)
    categories = selectors.categories(project)
    answers = selectors.answered(project)
    budget = getattr(project, "budget", None)
    outcomes = selectors.clusters_by_outcome(project)
    runs = selectors.stages(round_)
    return {
        "project": project,
        "round": round_,
        "stages": runs,
        "preparing": any(run.state != StageRun.State.DONE for run in runs),
        "images": selectors.image_counts(project),
        "predicted": sum(int(row["masks"]) for row in categories),
        "categories": categories,
        "outcomes": outcomes,
        "clusters": sum(outcomes.values()),
        "bought": Bought(
            accepted=sum(int(row["accepted"]) for row in categories),
            rejected=sum(int(row["rejected"]) for row in categories),
            questions=answers.questions,
            seconds=answers.seconds,
            budget=budget.questions if budget else None,
        ),
        "workers": selectors.workers(project),
        "join_link": project.join_links.filter(revoked_at__isnull=True).order_by("pk").first(),
    }
