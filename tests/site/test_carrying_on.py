"""Rounds go from stage to stage, in one process or by workers that may vanish at any time."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery
from django.db import transaction

from annotation_site import enqueue
from annotation_site.catalog import stages
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import ORDER, Stage, State
from annotation_site.verification import carrying_on
from annotation_site.verification.carrying_on import WORK, carry_on, carry_out, due, stop, want, wanted_rounds
from annotation_site.verification.models import Question
from pipeline.progress import StopRequested
from tests import factories
from tests.factories import NOON
from tests.site.painted_projects import painted_project
from workers import tasks
from workers.stopping import ENDING

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, k_pa=0.1)


@pytest.fixture
def round_() -> Round:
    return factories.RoundFactory(number=1)


@pytest.fixture
def queued(monkeypatch) -> list[tuple[str, tuple[object, ...], str]]:
    """What would be sent to the broker."""
    sent = []
    monkeypatch.setattr(
        enqueue, "_send", lambda task, arguments, queue, expires: sent.append((task, arguments, queue))
    )
    return sent


def states(round_: Round) -> dict[str, str]:
    return dict(StageRun.objects.filter(round=round_).values_list("stage", "state"))


def test_there_is_work_for_every_stage() -> None:
    assert set(WORK) == set(ORDER)


def test_a_project_goes_from_images_to_questions(project: Project) -> None:
    run = carry_on(current_round(project))
    assert run is not None
    assert (run.stage, run.state) == (Stage.OPEN, State.DONE)
    assert set(states(current_round(project)).values()) == {"done"}
    project.refresh_from_db()
    assert project.state == Project.State.OPEN
    assert Question.objects.filter(project=project, wanted__gt=0).exists()
    assert carry_on(current_round(project)) is None


def test_it_may_end_before_the_last_stage(project: Project) -> None:
    carry_on(current_round(project), until=Stage.DETECT)
    assert states(current_round(project)) == {"train": "done", "detect": "done"}


def test_it_ends_with_a_stage_that_somebody_stops(round_: Round, monkeypatch) -> None:
    def stopped(_round: Round, report: object) -> None:
        raise StopRequested("Stopped by Ctrl-C.")

    monkeypatch.setattr(carrying_on, "WORK", {**WORK, Stage.TRAIN: stopped})
    run = carry_on(round_)
    assert run is not None
    assert (run.stage, run.state) == (Stage.TRAIN, State.STOPPED)


def test_nothing_is_due_until_somebody_wants_it(round_: Round) -> None:
    assert due(round_, at=NOON) is None
    want(round_)
    assert due(round_, at=NOON) == Stage.TRAIN
    assert wanted_rounds() == [round_]
    stop(round_)
    assert due(round_, at=NOON) is None
    assert wanted_rounds() == []


def test_nothing_is_due_beyond_the_wanted_stage(round_: Round) -> None:
    want(round_, until=Stage.DETECT)
    stages.mark_done(round_, Stage.TRAIN, message="", at=NOON)
    assert due(round_, at=NOON) == Stage.DETECT
    stages.mark_done(round_, Stage.DETECT, message="", at=NOON)
    assert due(round_, at=NOON) is None


def test_wanting_a_stage_does_not_take_back_that_later_ones_are_wanted(round_: Round) -> None:
    want(round_)
    want(round_, until=Stage.DETECT)
    assert Round.objects.get().carry_on_to == Stage.OPEN
    stop(round_)
    want(round_, until=Stage.DETECT)
    assert Round.objects.get().carry_on_to == Stage.DETECT


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_a_stage_that_was_stopped_or_failed_is_due_only_once_wanted_again(round_: Round, state: str) -> None:
    want(round_)
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=state, error="No disk.")
    assert due(round_, at=NOON) is None
    want(round_)
    assert due(round_, at=NOON) == Stage.TRAIN
    run.refresh_from_db()
    assert run.error == ""


def test_a_running_stage_is_due_when_its_process_died(round_: Round) -> None:
    want(round_)
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    with Claims() as process:
        process.take(Kind.STAGE, run.pk)
        assert due(round_, at=NOON) is None
    assert due(round_, at=NOON) == Stage.TRAIN


def test_a_stage_whose_processes_keep_dying_is_not_due_any_more(round_: Round) -> None:
    want(round_)
    run = StageRun.objects.create(
        round=round_, stage=Stage.TRAIN, state=State.RUNNING, done=3, detail={"deaths": [3, 3]}
    )
    assert due(round_, at=NOON) is None
    run.refresh_from_db()
    assert run.state == State.FAILED


def test_stopping_reaches_the_stage_that_runs(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    stop(round_)
    run.refresh_from_db()
    assert run.stop_requested


def test_a_stage_stopped_after_its_process_died_waits_until_it_is_wanted(round_: Round, queued) -> None:
    want(round_)
    StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    tasks.resume_pipelines()
    stop(round_)
    tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    assert states(round_) == {"train": "stopped"}
    want(round_)
    assert due(round_, at=NOON) == Stage.TRAIN


def test_a_stop_is_forgotten_once_the_stage_is_wanted_again(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    stop(round_)
    want(round_)
    run.refresh_from_db()
    assert not run.stop_requested
    assert due(round_, at=NOON) == Stage.TRAIN


def test_wanting_a_pipeline_queues_one_message(round_: Round, queued) -> None:
    with transaction.atomic():
        enqueue.run_pipeline(round_.project)
        assert queued == []
    assert queued == [("maskgrove.run_pipeline", (round_.project_id,), "io")]


@pytest.mark.parametrize("url", ["redis+socket:///nowhere/redis.sock", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_down_does_not_fail_the_request(
    url: str, round_: Round, monkeypatch, caplog
) -> None:
    client = Celery(broker=url, set_as_current=False)
    client.conf.broker_transport_options = enqueue.IMPATIENT
    monkeypatch.setattr(enqueue, "client", lambda: client)
    enqueue.run_pipeline(round_.project)
    assert "could not be queued" in caplog.text
    assert wanted_rounds() == [round_]


def test_the_due_stage_goes_to_the_queue_of_its_kind(round_: Round, queued) -> None:
    want(round_)
    tasks.run_pipeline(round_.project_id)
    stages.mark_done(round_, Stage.DETECT, message="", at=NOON)
    tasks.run_pipeline(round_.project_id)
    assert queued == [("maskgrove.train", (round_.pk,), "gpu"), ("maskgrove.cluster", (round_.pk,), "cpu")]


def test_every_stage_has_its_task_and_queue() -> None:
    assert {task.name for task in tasks.STAGE_TASKS.values()} == {f"maskgrove.{stage}" for stage in ORDER}
    assert set(enqueue.QUEUES) == set(ORDER)


def test_a_stages_task_queues_the_next_stage(project: Project, queued) -> None:
    round_ = current_round(project)
    want(round_)
    tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    assert states(round_) == {"train": "done"}
    assert queued == [("maskgrove.detect", (round_.pk,), "gpu")]


def test_a_task_that_comes_twice_changes_nothing(project: Project, queued) -> None:
    round_ = current_round(project)
    carry_out(round_, Stage.TRAIN)
    before = StageRun.objects.get(round=round_)
    tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    after = StageRun.objects.get(round=round_)
    assert (after.started_at, after.finished_at) == (before.started_at, before.finished_at)
    assert queued == []


def test_a_task_whose_stage_is_busy_leaves_it(project: Project, queued, caplog) -> None:
    round_ = current_round(project)
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    with Claims() as another:
        another.take(Kind.STAGE, run.pk)
        tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    assert "another process" in caplog.text
    assert queued == []


def test_a_stage_that_fails_in_a_worker_says_so_and_stays_failed(round_: Round, queued) -> None:
    want(round_)
    tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    assert states(round_) == {"train": "failed"}
    tasks.resume_pipelines()
    assert queued == []


def test_whatever_was_left_behind_is_queued_again(round_: Round, queued) -> None:
    want(round_)
    StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    factories.RoundFactory(number=1)
    tasks.resume_pipelines()
    assert queued == [("maskgrove.train", (round_.pk,), "gpu")]


def test_a_worker_that_shuts_down_leaves_its_stage_due(project: Project, queued) -> None:
    round_ = current_round(project)
    want(round_)
    ENDING.set()
    try:
        tasks.STAGE_TASKS[Stage.TRAIN](round_.pk)
    finally:
        ENDING.clear()
    assert states(round_) == {"train": "waiting"}
    assert due(round_, at=NOON) == Stage.TRAIN


def test_leases_are_swept() -> None:
    tasks.sweep_leases()
