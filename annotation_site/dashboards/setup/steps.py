"""How far a project's set-up is: its steps, in order, each with a state and a word on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.jobs import State as Work
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards import selectors

DONE, OPEN, RUNNING, FAILED, OPTIONAL = "done", "open", "running", "failed", "optional"
PREPARED = (StageRun.Stage.TRAIN, StageRun.Stage.DETECT, StageRun.Stage.CLUSTER, StageRun.Stage.CALIBRATE)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `key` is its place on the page, `note` what is there or missing."""

    key: str
    title: str
    state: str
    note: str = ""

    @property
    def label(self) -> str:
        """The state in words."""
        return {
            DONE: _("done"), OPEN: _("open"), RUNNING: _("running"), FAILED: _("failed"),
            OPTIONAL: _("optional"),
        }[self.state]  # fmt: skip


def steps_of(project: Project, images: Mapping[str, int]) -> list[Step]:
    """All steps; `images` are their numbers by role."""
    runs = rows_of(selectors.latest_round(project))
    return [
        _images(project, images, runs),
        Step("categories", _("Categories"), DONE, _("%(n)s categories") % {"n": project.categories.count()}),
        Step("parameters", _("Parameters"), DONE),
        _instructions(project),
        _trees(runs),
        _budget(project),
        _workers(project, runs[-1]),
    ]


def current(steps: list[Step]) -> str:
    """The key of the step that is to be looked at now."""
    return next((step.key for step in steps if step.state in (FAILED, RUNNING, OPEN)), steps[-1].key)


def _images(project: Project, counts: Mapping[str, int], runs: list[StageRun]) -> Step:
    told = _("%(initial)s initial, %(heldout)s held out, %(pool)s pool") % counts
    latest = project.imports.order_by("-pk").values_list("state", flat=True).first()
    if project.imports.filter(state__in=[Work.WAITING, Work.RUNNING]).exists():
        state = RUNNING
    elif latest == Work.FAILED:
        state = FAILED
    else:
        state = OPEN if _missing(counts, runs) else DONE
    return Step("images", _("Images"), state, told)


def _missing(counts: Mapping[str, int], runs: list[StageRun]) -> bool:
    """Whether images are wanting; masks of another model need no initial ones."""
    detected = any(run.stage == StageRun.Stage.DETECT and run.state == StageRun.State.DONE for run in runs)
    return not (counts["pool"] and (detected or (counts["initial"] and counts["heldout"])))


def _instructions(project: Project) -> Step:
    is_written = bool(project.instructions) or project.categories.exclude(guide="").exists()
    return Step("instructions", _("Instructions"), DONE if is_written else OPTIONAL)


def _trees(runs: list[StageRun]) -> Step:
    found = [run for run in runs if run.stage in PREPARED]
    states = {run.state for run in found}
    if StageRun.State.RUNNING in states:
        state = RUNNING
    elif StageRun.State.FAILED in states:
        state = FAILED
    else:
        state = DONE if found[-1].state == StageRun.State.DONE else OPEN
    last = next((run for run in reversed(found) if run.state != StageRun.State.WAITING), None)
    note = f"{last.get_stage_display()}: {last.get_state_display()}" if last else ""
    return Step("stages", _("Model and trees"), state, note)


def _budget(project: Project) -> Step:
    budget = budget_of(project)
    caps = [
        _("%(n)s questions") % {"n": f"{budget.questions:,}"} if budget.questions is not None else "",
        f"{budget.money:,.2f} {budget.currency}" if budget.money is not None else "",
    ]
    told = ", ".join(filter(None, caps))
    return Step("budget", _("Budget"), DONE if told else OPTIONAL, told or _("no cap set"))


def _workers(project: Project, opening: StageRun) -> Step:
    is_open = project.state == Project.State.OPEN and opening.state == StageRun.State.DONE
    told = {StageRun.State.RUNNING: RUNNING, StageRun.State.FAILED: FAILED}
    state = DONE if is_open else told.get(StageRun.State(opening.state), OPEN)
    return Step("workers", _("Workers"), state, project.get_state_display())
