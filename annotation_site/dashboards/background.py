"""Background work beside the stages, as the system page shows it: imports, exports, estimates and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation_site import enqueue
from annotation_site.catalog import jobs
from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.jobs import DUE, Job, State
from annotation_site.catalog.models import Project
from annotation_site.closing.models import Deletion
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.results.models import Comparison, ExportFile

MOST = 10
"""Of each kind that are due or under way, and of those that failed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work: its name, how a worker is told of one, and the project that one is about.

    Attributes
    ----------
    project : the path to its project; empty where that may be gone
    heavy : columns that nobody looks at here
    """

    name: str | Promise
    model: type[Job]
    send: Callable[[int], None]
    project: str = "project"
    heavy: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "import": Kind(_("Import"), ImportRun, lambda pk: enqueue.run_import(pk), heavy=("report",)),
    "export": Kind(_("Export"), ExportFile, lambda pk: enqueue.write_export(pk)),
    "estimate": Kind(
        _("Estimate"),
        Estimate,
        lambda pk: enqueue.make_estimate(pk),
        project="round__project",
        heavy=("plan",),
    ),
    "comparison": Kind(_("Usefulness"), Comparison, lambda pk: enqueue.compare_usefulness(pk)),
    "deletion": Kind(_("Deletion"), Deletion, lambda pk: enqueue.delete_project(pk), project=""),
}
"""By what addresses call them."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job as the page shows it; `project` is None where that is being deleted."""

    kind: str
    job: Job
    project: Project | None

    @property
    def called(self) -> str | Promise:
        """What kind of work it is."""
        return KINDS[self.kind].name

    @property
    def name(self) -> str:
        """Of its project."""
        return self.job.name if isinstance(self.job, Deletion) else str(self.project)

    @property
    def at(self) -> datetime | None:
        """When it last began or ended."""
        return self.job.finished_at or self.job.begun_at


def work() -> list[Work]:
    """What is due, under way or failed, of each kind the newest first; nothing of projects put away."""
    return [work_of(name, job) for name in KINDS for job in _urgent(name)]


def jobs_of(name: str) -> QuerySet[Job]:
    """All of a kind, the newest first; nothing of projects put away."""
    kind = KINDS[name]
    found = kind.model._default_manager.order_by("-pk").defer(*kind.heavy)
    if kind.project:
        away = Q(**{f"{kind.project}__state__in": Project.PUT_AWAY})
        found = found.select_related(kind.project).exclude(away)
    return found


def work_of(name: str, job: Job) -> Work:
    """A job with the project that it is about."""
    return Work(name, job, _project_of(job))


def retry(name: str, job: Job) -> bool:
    """Let workers try a job again that failed or was stopped; whether it is one.

    Raises
    ------
    ProjectArchived
    """
    if (project := _project_of(job)) is not None:
        check_in_use(project)
    if not jobs.try_again(job):
        return False
    KINDS[name].send(job.pk)
    return True


def _urgent(name: str) -> Iterator[Job]:
    found = jobs_of(name)
    yield from found.filter(state__in=DUE)[:MOST]
    yield from found.filter(state=State.FAILED)[:MOST]


def _project_of(job: Job) -> Project | None:
    if isinstance(job, Estimate):
        return job.round.project
    return None if isinstance(job, Deletion) else job.project  # type: ignore[attr-defined]
