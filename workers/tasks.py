"""The tasks: each looks up its rows, makes one call of the site, and may run any number of times."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import worker_ready
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from annotation_site import enqueue
from annotation_site.catalog import clustering, detecting, jobs, kept_photos
from annotation_site.catalog.archived import ProjectArchived, check_in_use
from annotation_site.catalog.helping import NothingToHelp, taking_part
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.offering import OfferChanged
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import RoundIsOpen, StageBusy, StageFailed, StageNotReady
from annotation_site.closing import deleting
from annotation_site.closing.models import Deletion
from annotation_site.marketplaces import entering, outbox, reconciling
from annotation_site.marketplaces.seam import News
from annotation_site.preparing import estimates, imports, uploads
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.results import comparisons, export_files
from annotation_site.results.models import Comparison, ExportFile
from annotation_site.verification import carrying_on, finishing, keeping, leases, next_round
from annotation_site.verification.carrying_on import carry_out, due, wanted_rounds
from annotation_site.webhooks import delivering, notices
from pipeline.linkage.partitioned import cluster_if_pending
from pipeline.progress import Progress, StopRequested
from workers import acting, concurrency
from workers.celery import app
from workers.stopping import until_shutdown

LOOK_EVERY = 15.0
"""Seconds between two looks for rounds that nobody carries on, and for leases that ran out."""

DELIVER_MOST = 15
"""Requests to marketplaces in one look."""

DELIVER_WEBHOOKS = 20
"""Messages to webhooks in one look."""

RECONCILE_EVERY = 60.0
"""Seconds between two looks at what marketplaces have."""

KEEP_EVERY = 60.0
"""Seconds that the records of those at work are behind, at most."""

LOOK_AFTER_EVERY = 300.0
"""Seconds between two reviews of gold and of workers' skills."""

PRUNE_EVERY = 3600.0
"""Seconds between two looks for rendered photos that nobody will see again."""

PLAN_EVERY = 60.0
"""Seconds between two looks for campaigns that nobody has imagined yet as they are now."""

log = logging.getLogger(__name__)
acting.listen()
task = partial(
    app.task,
    acks_late=True,
    ignore_result=True,
    autoretry_for=(OperationalError, InterfaceError),  # The database was away: nothing of the task is done.
    retry_backoff=2,
    retry_backoff_max=300,
    max_retries=8,
)


@task(name="maskgrove.run_pipeline")
def run_pipeline(project_id: int) -> None:
    """Queue the stage that is due in the project's current round, if one is."""
    round_ = current_round(Project.objects.get(pk=project_id))
    stage = due(round_, at=timezone.now())
    if stage is not None:
        enqueue.run_stage(round_, stage)


@task(name="maskgrove.resume_pipelines")
def resume_pipelines() -> None:
    """Queue what is due in every round: also what a worker that died, or a lost message, left behind."""
    for round_ in wanted_rounds():
        run_pipeline(round_.project_id)
        enqueue.ask_for_help(round_)


@task(name="maskgrove.begin_rounds")
def begin_rounds() -> None:
    """Begin the next round of each project that wants one and has nothing left to ask, and carry it on."""
    for round_ in next_round.begin_due_rounds():
        enqueue.run_pipeline(round_.project)


@task(name="maskgrove.sweep_leases")
def sweep_leases() -> None:
    """Release the HITs whose lease has run out."""
    leases.sweep(at=timezone.now())


@task(name="maskgrove.keep_records")
def keep_records() -> None:
    """Count anew the work of everybody who holds a HIT."""
    keeping.keep_those_at_work()


@task(name="maskgrove.look_after")
def look_after() -> None:
    """Review the gold of open projects, and learn the skills of their workers."""
    leases.look_after(at=timezone.now())


@task(name="maskgrove.plan_ahead")
def plan_ahead() -> None:
    """Queue the estimates of calibrated rounds that nobody has made, or that rest on what has changed."""
    for estimate in estimates.ask_for_due():
        enqueue.make_estimate(estimate.pk)


@task(name="maskgrove.prune_crops")
def prune_crops() -> None:
    """Delete the photos that were rendered long ago, for HITs that are over and pages of project admins."""
    kept_photos.prune(at=timezone.now())


@task(name="maskgrove.deliver_actions")
def deliver_actions() -> None:
    """Tell marketplaces what is due; few at a time, since they allow about a request a second."""
    outbox.deliver_due(most=DELIVER_MOST)


@task(name="maskgrove.mail_links")
def mail_links() -> None:
    """Mail workers the links by which they come back."""
    entering.mail_due()


@task(name="maskgrove.tell_webhooks")
def tell_webhooks() -> None:
    """Make messages of what happened, and send what is due."""
    delivering.write_messages(at=timezone.now())
    for webhook in delivering.deliver_due(most=DELIVER_WEBHOOKS):
        notices.tell_of_disabled(webhook)


@task(name="maskgrove.note_finished_rounds")
def note_finished_rounds() -> None:
    """Have webhooks told of rounds that have nothing left to ask."""
    finishing.note_finished_rounds(at=timezone.now())


@task(name="maskgrove.prune_webhooks")
def prune_webhooks() -> None:
    """Delete what was sent to webhooks long ago."""
    delivering.prune(at=timezone.now())


@task(name="maskgrove.reconcile_marketplaces")
def reconcile_marketplaces() -> None:
    """Read back what marketplaces have: who handed in, who is to be approved, who may work there."""
    reconciling.hear_all()
    reconciling.reconcile_all()


@task(name="maskgrove.look_at_posting")
def look_at_posting(external_id: str) -> None:
    """Read back one posting that a marketplace sent word of."""
    reconciling.hear([News(external_id)])


@task(name="maskgrove.write_export")
def write_export(export_id: int) -> None:
    """Write an export, unless it was deleted or somebody is at it."""
    if export := ExportFile.objects.select_related("project").filter(pk=export_id).first():
        export_files.write_export(export, also=until_shutdown)


@task(name="maskgrove.resume_exports")
def resume_exports() -> None:
    """Queue the exports that nobody is at: also what a worker that died, or a lost message, left behind."""
    for export in jobs.unattended(ExportFile):
        enqueue.write_export(export.pk)


@task(name="maskgrove.run_import")
def run_import(import_id: int) -> None:
    """Import images, unless that was discarded or somebody is at it."""
    if run := ImportRun.objects.select_related("project").filter(pk=import_id).first():
        imports.run_import(run, also=until_shutdown)


@task(name="maskgrove.make_estimate")
def make_estimate(estimate_id: int) -> None:
    """Work out an estimate, unless somebody is at it."""
    if estimate := Estimate.objects.select_related("round__project").filter(pk=estimate_id).first():
        estimates.make_estimate(estimate, also=until_shutdown)


@task(name="maskgrove.compare_usefulness")
def compare_usefulness(comparison_id: int) -> None:
    """Carry out a comparison, unless somebody is at it."""
    runs = Comparison.objects.select_related("project", "round__project")
    if run := runs.filter(pk=comparison_id).first():
        comparisons.carry_out_comparison(run, also=until_shutdown)


@task(name="maskgrove.resume_preparing")
def resume_preparing() -> None:
    """Queue the imports, estimates and comparisons that nobody is at."""
    for comparison in jobs.unattended(Comparison):
        enqueue.compare_usefulness(comparison.pk)
    for run in jobs.unattended(ImportRun):
        enqueue.run_import(run.pk)
    for estimate in jobs.unattended(Estimate):
        enqueue.make_estimate(estimate.pk)


@task(name="maskgrove.delete_project")
def delete_project(deletion_id: int) -> None:
    """Delete a project, unless it is gone or somebody is at it."""
    if deletion := Deletion.objects.filter(pk=deletion_id).first():
        deleting.run_deletion(deletion, also=until_shutdown)


@task(name="maskgrove.resume_deletions")
def resume_deletions() -> None:
    """Queue the deletions that nobody is at."""
    for deletion in jobs.unattended(Deletion):
        enqueue.delete_project(deletion.pk)


@task(name="maskgrove.prune_uploads")
def prune_uploads() -> None:
    """Discard uploads that nobody went on with for days."""
    uploads.prune(at=timezone.now())


@task(name="maskgrove.cluster_bucket")
def cluster_bucket(round_id: int, folder: str, bucket: int) -> None:
    """Do a piece of a tree that another worker makes, unless it is done by then."""
    _take_part(round_id, StageRun.Stage.CLUSTER, lambda *_: cluster_if_pending(Path(folder), bucket))


SHARING = {StageRun.Stage.CLUSTER: enqueue.share_buckets}
"""What offers the pieces of a stage at hand to other workers."""


@task(name="maskgrove.help_detect")
def help_detect(round_id: int) -> None:
    """Predict on shards that nobody is at, with the one model of this process."""
    _help(round_id, StageRun.Stage.DETECT, detecting.work_through_shards)


@task(name="maskgrove.help_cluster")
def help_cluster(round_id: int) -> None:
    """Grow trees, and blocks of large ones, that nobody is at."""
    _help(round_id, StageRun.Stage.CLUSTER, clustering.work_through_trees)


def _help(round_id: int, stage: StageRun.Stage, work: Callable[[Round, Progress], int]) -> None:
    """Join in a stage that another worker carries out; workers with several children leave it to others."""
    if concurrency.is_single():
        _take_part(round_id, stage, work)


def _take_part(round_id: int, stage: StageRun.Stage, work: Callable[[Round, Progress], int]) -> None:
    round_ = Round.objects.select_related("project").get(pk=round_id)
    with suppress(StopRequested, NothingToHelp, ProjectArchived):
        check_in_use(round_.project)
        with taking_part(round_, stage, also=until_shutdown) as report:
            finished = work(round_, report)
            log.info("Helped with %s pieces of %s.", int(finished), round_)


def carry_out_stage(stage: StageRun.Stage, round_id: int) -> None:
    """Carry out one stage of a round, offering pieces of it to other workers, then look what follows."""
    round_ = Round.objects.select_related("project").get(pk=round_id)
    try:
        share: dict[str, Any] = {"share": partial(SHARING[stage], round_)} if stage in SHARING else {}
        carry_out(round_, stage, also=until_shutdown, **share)
    except (StageBusy, StageNotReady, StageFailed, OfferChanged, ProjectArchived) as refusal:
        log.warning("%s", refusal)
    except RoundIsOpen as refusal:  # It was opened while predictions waited: trying again is in vain.
        carrying_on.stop(round_)
        log.warning("The predictions that wait are not taken in. %s", refusal)
    else:
        run_pipeline(round_.project_id)


def _stage_task(stage: StageRun.Stage) -> Task:
    @task(name=f"maskgrove.{stage}")
    def stage_task(round_id: int) -> None:
        carry_out_stage(stage, round_id)

    return stage_task


STAGE_TASKS = {stage: _stage_task(stage) for stage in StageRun.Stage}


@app.on_after_finalize.connect
def look_around(sender: Celery, **_signal: Any) -> None:
    """What beat repeats; a look that nobody was free for is dropped."""
    for repeated in (
        resume_pipelines, resume_exports, resume_preparing, resume_deletions, sweep_leases, begin_rounds,
    ):  # fmt: skip
        sender.add_periodic_task(LOOK_EVERY, repeated.s(), expires=LOOK_EVERY, queue="io")
    for repeated in (deliver_actions, tell_webhooks, mail_links):
        sender.add_periodic_task(LOOK_EVERY, repeated.s(), expires=LOOK_EVERY, queue="io")
    sender.add_periodic_task(RECONCILE_EVERY, note_finished_rounds.s(), expires=RECONCILE_EVERY, queue="io")
    sender.add_periodic_task(RECONCILE_EVERY, reconcile_marketplaces.s(), expires=RECONCILE_EVERY, queue="io")
    sender.add_periodic_task(KEEP_EVERY, keep_records.s(), expires=KEEP_EVERY, queue="io")
    sender.add_periodic_task(LOOK_AFTER_EVERY, look_after.s(), expires=LOOK_AFTER_EVERY, queue="io")
    sender.add_periodic_task(PLAN_EVERY, plan_ahead.s(), expires=PLAN_EVERY, queue="io")
    for repeated in (prune_crops, prune_uploads, prune_webhooks):
        sender.add_periodic_task(PRUNE_EVERY, repeated.s(), expires=PRUNE_EVERY, queue="io")


@worker_ready.connect
def begin_where_others_ended(**_signal: Any) -> None:
    """A worker that starts need not wait for beat."""
    resume_pipelines.apply_async(queue="io")
    resume_exports.apply_async(queue="io")
    resume_preparing.apply_async(queue="io")
    resume_deletions.apply_async(queue="io")
