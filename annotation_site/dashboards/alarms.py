"""What is wrong with a campaign, and what to do about it: each for as long as it is so.

An alarm is derived from the facts each time the overview is asked for; what is put right is gone from the
page with the next look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation_site.budget.ledger import is_spent
from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project, StageRun
from annotation_site.dashboards.setup.steps import PREPARED
from annotation_site.enqueue import QUEUES
from annotation_site.marketplaces.reconciling import approved_unasked
from annotation_site.people.models import TrustPolicy
from annotation_site.results.course import Course
from annotation_site.results.gold import Stretch
from pipeline.linkage import WAITING

NEARLY = Decimal("0.9")
"""Of a cap that is spent or reserved: a tenth is left to decide in, a few HITs of most projects."""
WARNED = timedelta(days=2)
"""So long before a marketplace approves what nobody decided on."""
SILENCE = timedelta(minutes=30)
"""Without any answer, as long as a HIT's lease by default: whoever had one has let it go."""
STUCK = timedelta(minutes=5)
"""Without a word of a stage that is under way; it says that it is there every few seconds."""
STILL = timedelta(minutes=30)
"""Without getting any further, though the process is alive: longer than any piece of work takes."""
FEWEST = 10
"""Gold answers in the last stretch, before it can alarm."""


OpenTo = Literal["viewers", "admins", "superusers"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong and what to do: by a command, or on a page.

    Attributes
    ----------
    page, link : where it can be done, and what the link there says
    open_to : who may see that page
    """

    key: str
    title: str
    advice: str
    command: str = ""
    page: str = ""
    link: str = ""
    open_to: OpenTo = "viewers"
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """What alarms are about.

    Attributes
    ----------
    runs : the stages of the latest round, by `catalog.stage_rows`
    open_clusters : that people are asked about
    queues : that Celery workers which answer take work from; None where nobody has looked yet
    awaited : the stage that waits for a worker to begin it
    """

    project: Project
    runs: Sequence[StageRun]
    budget: Budget | None
    course: Course
    open_clusters: int
    queues: Collection[str] | None
    at: datetime
    awaited: StageRun.Stage | None = None


def alarms(watched: Watched) -> list[Alarm]:
    """All that stand, the grave ones first; none of what is archived."""
    if watched.project.is_archived:
        return []
    parts = (_stages, _worker, _budget, _marketplaces, _silence, _gold)
    found = [alarm for part in parts for alarm in part(watched)]
    return sorted(found, key=lambda alarm: not alarm.is_grave)


def _stages(watched: Watched) -> Iterator[Alarm]:
    for run in watched.runs:
        stage, command = run.get_stage_display(), f"manage.py {run.stage} {watched.project.slug}"
        page = _setup(watched, "stages") if run.stage in PREPARED else ""
        if run.state == StageRun.State.FAILED:
            yield Alarm(
                f"failed-{run.stage}",
                _("Stage “%(stage)s” failed") % {"stage": stage},
                _("%(error)s Put right what it names, then run it again: it goes on where it ended.")
                % {"error": run.error[:300]},
                command=command,
                page=page,
                link=_("Stages"),
                open_to="admins",
                is_grave=True,
            )
        elif run.is_interrupted or (run.state == StageRun.State.RUNNING and _is_silent(run, watched.at)):
            yield Alarm(
                f"stuck-{run.stage}",
                _("Stage “%(stage)s” is stuck") % {"stage": stage},
                _(
                    "Its process ended or says nothing any more. A worker takes it over within a minute. If"
                    " none does, look into the workers’ log and at their memory, or run it yourself:"
                ),
                command=command,
                page=page,
                link=_("Stages"),
                open_to="admins",
                is_grave=True,
            )
        elif run.state == StageRun.State.RUNNING and _stands_still(run, watched.at):
            yield Alarm(
                f"stuck-{run.stage}",
                _("Stage “%(stage)s” gets no further") % {"stage": stage},
                _(
                    "It is at the same point since half an hour and more, though its process is alive. Look"
                    " into the workers’ log, stop it, and let it go on: what is finished is kept. If it does"
                    " not stop, end that worker."
                ),
                page=page,
                link=_("Stages"),
                open_to="admins",
                is_grave=True,
            )


def _setup(watched: Watched, step: str) -> str:
    return f"{reverse('dashboards:setup', args=[watched.project.slug])}?at={step}#{step}"


def _is_silent(run: StageRun, at: datetime) -> bool:
    return run.heartbeat_at is not None and at - run.heartbeat_at > STUCK


def _stands_still(run: StageRun, at: datetime) -> bool:
    """Not one that waits its turn: whoever has that is watched in its own stage."""
    waits = run.message.startswith(WAITING)
    return not waits and run.moved_at is not None and at - run.moved_at > STILL


def _worker(watched: Watched) -> Iterator[Alarm]:
    if watched.queues is None:
        return
    awaited = watched.awaited
    queue = QUEUES[awaited] if awaited is not None else ""
    if not watched.queues:
        yield Alarm(
            "no-worker",
            _("No Celery worker is alive"),
            _(
                "Stages, exports, marketplaces and expired HITs wait until one is. Start manage.py serve;"
                " on a server beat and a worker for each queue, the one for what is due first:"
            ),
            command="celery --app workers worker --queues io --concurrency 4 --hostname io@%h",
            page=reverse("dashboards:system"),
            link=_("System"),
            open_to="superusers",
            is_grave=True,
        )
    elif awaited is not None and queue not in watched.queues:
        yield Alarm(
            "no-worker",
            _("No worker takes the stage “%(stage)s”") % {"stage": awaited.label},
            _("It waits in the queue %(queue)s, and no worker that answers serves that. Start one:")
            % {"queue": queue},
            command=f"celery --app workers worker --queues {queue} --concurrency 1 --hostname {queue}@%h",
            page=reverse("dashboards:system"),
            link=_("System"),
            open_to="superusers",
            is_grave=True,
        )


def _budget(watched: Watched) -> Iterator[Alarm]:
    budget = watched.budget
    if budget is None:
        return
    page = _setup(watched, "budget")
    share = budget.committed_share
    if is_spent(budget):
        yield Alarm(
            "budget-spent",
            _("The budget is spent"),
            _("Nobody is given work any more. Pause the project, or set the cap higher."),
            page=page,
            link=_("Budget"),
            open_to="admins",
            is_grave=True,
        )
    elif share is not None and share >= NEARLY:
        yield Alarm(
            "budget",
            _("The budget is nearly spent"),
            _("%(share)d %% of it is spent or reserved. Let it end there, or set the cap higher.")
            % {"share": int(100 * share)},
            page=page,
            link=_("Budget"),
            open_to="admins",
        )


def _marketplaces(watched: Watched) -> Iterator[Alarm]:
    """What a marketplace paid though the cap did not allow it, and what it will pay if nobody decides."""
    page = reverse("dashboards:launch", args=[watched.project.slug])
    if watched.budget is not None and watched.budget.overdrawn > 0:
        yield Alarm(
            "overdrawn",
            _("A marketplace paid more than the budget allows"),
            _("It is %(money).2f %(currency)s beyond the cap. End the listing, or set the cap higher.")
            % {"money": watched.budget.overdrawn, "currency": watched.budget.currency},
            page=page,
            link=_("Launch"),
            is_grave=True,
        )
    waiting, until = approved_unasked(watched.project, before=watched.at + WARNED)
    if waiting:
        yield Alarm(
            "undecided",
            _("Submissions wait for you"),
            ngettext(
                "The marketplace approves one by itself on %(day)s, unless you decide about it first.",
                "The marketplace approves %(n)d by itself, the first on %(day)s, unless you decide first.",
                waiting,
            )
            % {"n": waiting, "day": date_format(localtime(until), "j M, H:i")},
            page=page,
            link=_("Launch"),
        )


def _silence(watched: Watched) -> Iterator[Alarm]:
    asks = watched.project.state == Project.State.OPEN and watched.open_clusters > 0
    if not asks or (watched.budget is not None and is_spent(watched.budget)):
        return
    opened = next((run.finished_at for run in watched.runs if run.stage == StageRun.Stage.OPEN), None)
    since = max((at for at in (watched.course.last, opened) if at is not None), default=None)
    if since is not None and watched.at - since > SILENCE:
        yield Alarm(
            "silence",
            _("Nobody answers"),
            _("Questions have waited for half an hour and more. Send people their links, or offer more pay."),
            page=reverse("dashboards:team", args=[watched.project.slug]),
            link=_("Team"),
        )


def _gold(watched: Watched) -> Iterator[Alarm]:
    if not watched.course.gold or watched.course.gold[-1].answers < FEWEST:
        return
    *before, last = watched.course.gold
    told = _(
        "%(right)d of the last %(answers)d gold answers are right. Look who errs, and whether an instruction"
        " or a gold mask misleads."
    ) % {"right": last.right, "answers": last.answers}
    page = reverse("dashboards:workers", args=[watched.project.slug])
    policy = TrustPolicy.objects.filter(project=watched.project).first() or TrustPolicy()
    if before and last.share.high < _share(before):
        yield Alarm("gold-falls", _("Gold accuracy is falling"), told, page=page, link=_("Workers"))
    elif last.share.high < policy.watch_below:
        yield Alarm("gold-low", _("Gold accuracy is low"), told, page=page, link=_("Workers"))


def _share(stretches: Sequence[Stretch]) -> float:
    return sum(one.right for one in stretches) / sum(one.answers for one in stretches)
