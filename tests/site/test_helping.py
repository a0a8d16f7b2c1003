"""Idle workers join in a stage that another one carries out, and only where there are pieces for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation_site import enqueue
from annotation_site.catalog import detecting as detecting_module
from annotation_site.catalog import helping, steps
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import DetectionShard, Project, Role, Round, StageRun
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import images_done, plan_shards, store_shard
from annotation_site.catalog.stages import (
    Stage,
    StageBusy,
    State,
    nobody_at,
    request_stop,
    run_stage,
    start_over,
)
from annotation_site.catalog.storage import artifacts, round_folder
from annotation_site.verification.carrying_on import carry_out
from pipeline.progress import StopRequested
from tests.factories import NOON
from tests.site.painted_projects import painted_project
from workers import concurrency, tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, k_pa=0.05)


@pytest.fixture
def detecting(project: Project) -> Round:
    """A trained round whose detection has begun: seven shards, none of them finished."""
    round_ = current_round(project)
    carry_out(round_, Stage.TRAIN)
    for role in (Role.HELDOUT, Role.POOL):
        plan_shards(round_, role, size=2)
    StageRun.objects.create(round=round_, stage=Stage.DETECT, state=State.RUNNING, started_at=NOON)
    return round_


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, str | None]]:
    calls: list[tuple[str, str | None]] = []

    def note(task: str, *arguments: int, queue: str | None = None, expires: float | None = None) -> None:
        assert expires is not None
        calls.append((task, queue))

    monkeypatch.setattr(enqueue, "send", note)
    return calls


def test_nobody_is_called_to_a_stage_that_no_process_is_at(detecting: Round, sent: list) -> None:
    assert helping.pieces_to_share(detecting) == helping.NOTHING
    enqueue.ask_for_help(detecting)
    assert sent == []


def test_a_call_goes_out_for_each_shard_that_nobody_has(detecting: Round, sent: list) -> None:
    with Claims() as claims:
        claims.take(Kind.STAGE, detecting.stages.get(stage=Stage.DETECT).pk)
        claims.take(Kind.SHARD, DetectionShard.objects.first().pk)
        enqueue.ask_for_help(detecting)
    assert sent == [("maskgrove.help_detect", "gpu")] * 4


def test_an_idle_worker_predicts_on_what_nobody_has(detecting: Round, monkeypatch) -> None:
    monkeypatch.setattr(concurrency, "CHILDREN", [1])
    with Claims() as claims:
        held = DetectionShard.objects.first()
        claims.take(Kind.SHARD, held.pk)
        tasks.help_detect(detecting.pk)
        assert list(DetectionShard.objects.filter(finished_at=None)) == [held]


def test_a_worker_of_several_children_keeps_them_for_other_work(detecting: Round, monkeypatch) -> None:
    monkeypatch.setattr(concurrency, "CHILDREN", [2])
    tasks.help_detect(detecting.pk)
    assert images_done(detecting)[0] == 0


def test_nobody_helps_with_a_stage_that_is_stopped(detecting: Round, monkeypatch) -> None:
    monkeypatch.setattr(concurrency, "CHILDREN", [1])
    for values in ({"stop_requested": True}, {"state": State.STOPPED}, {"state": State.DONE}):
        detecting.stages.filter(stage=Stage.DETECT).update(**values)
        tasks.help_detect(detecting.pk)
        assert images_done(detecting)[0] == 0


def test_a_helper_ends_between_two_pieces_when_the_stage_is_stopped(detecting: Round, monkeypatch) -> None:
    monkeypatch.setattr(concurrency, "CHILDREN", [1])
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)
    real, finished = detecting_module.detect_shard, []

    def finish_one(shard: DetectionShard, *given: object, **named: object) -> None:
        real(shard, *given, **named)
        finished.append(shard)
        request_stop(detecting)

    monkeypatch.setattr(detecting_module, "detect_shard", finish_one)
    tasks.help_detect(detecting.pk)
    assert DetectionShard.objects.exclude(finished_at=None).count() == len(finished) == 1


def test_a_stage_gets_further_while_a_helper_does(detecting: Round, monkeypatch) -> None:
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)
    run = detecting.stages.filter(stage=Stage.DETECT)
    moved = []
    with helping.taking_part(detecting, Stage.DETECT) as report:
        for told in (
            (1, 9),
            (1, 9),
            (2, 9),
            (2, 9, "Storing"),
            *[(2, 9, "Waiting for another large tree")] * 2,
        ):
            run.update(moved_at=NOON)
            report(*told)
            moved.append(run.get().moved_at > NOON)
        run.update(state=State.STOPPED, moved_at=NOON)
        with pytest.raises(StopRequested):
            report(3, 9)
    assert moved == [True, False, True, True, True, True]
    assert run.get().moved_at == NOON


def test_nothing_is_discarded_that_a_helper_is_at(detecting: Round, project: Project) -> None:
    with helping.taking_part(detecting, Stage.DETECT) as report:
        StageRun.objects.filter(round=detecting, stage=Stage.DETECT).update(state=State.STOPPED)
        for start in (Stage.DETECT, Stage.TRAIN):
            with pytest.raises(StageBusy, match="at their last piece"):
                start_over(detecting, start)
        with pytest.raises(StageBusy), nobody_at(detecting, Stage.DETECT):
            pytest.fail("Somebody is.")
        with pytest.raises(StopRequested):
            report(1, 1)
    start_over(detecting, Stage.DETECT)
    assert not detecting.shards.exists()


def test_helpers_may_join_as_soon_as_a_stage_was_started_afresh(detecting: Round) -> None:
    def work(_: Reporter) -> None:
        with helping.taking_part(detecting, Stage.DETECT):
            joined.append(1)

    joined: list[int] = []
    run_stage(detecting, Stage.DETECT, work, force=True)
    assert joined == [1]


def test_nobody_helps_while_stages_are_held(detecting: Round) -> None:
    with (
        nobody_at(detecting, Stage.DETECT),
        pytest.raises(helping.NothingToHelp),
        helping.taking_part(detecting, Stage.DETECT),
    ):
        pytest.fail("It was let in.")


def test_a_shard_of_a_discarded_row_leaves_nothing_and_spoils_no_new_one(detecting: Round) -> None:
    old = detecting.shards.get(role=Role.POOL, index=0)
    detecting.shards.all().delete()
    plan_shards(detecting, Role.POOL, size=2)
    new = detecting.shards.get(role=Role.POOL, index=0)
    assert store_shard(new, {}, at=NOON)
    kept = {name: artifacts().open(name).read() for name in stored_shards(detecting)}
    assert not store_shard(old, {}, at=NOON)
    assert {name: artifacts().open(name).read() for name in stored_shards(detecting)} == kept


def stored_shards(round_: Round) -> list[str]:
    folder = f"{round_folder(round_)}/shards"
    return [f"{folder}/{name}" for name in artifacts().listdir(folder)[1]]


def test_trees_are_shared_while_they_are_missing(project: Project, sent: list, monkeypatch) -> None:
    round_ = current_round(project)
    for stage in (Stage.TRAIN, Stage.DETECT):
        carry_out(round_, stage)
    run = StageRun.objects.create(round=round_, stage=Stage.CLUSTER, state=State.RUNNING, detail={"trees": 4})
    with Claims() as claims:
        claims.take(Kind.STAGE, run.pk)
        enqueue.ask_for_help(round_)
        assert sent == [("maskgrove.help_cluster", "cpu")] * 3
        monkeypatch.setattr(concurrency, "CHILDREN", [1])
        tasks.help_cluster(round_.pk)
        assert round_.trees.count() == 4
        assert helping.pieces_to_share(round_) == helping.NOTHING


def test_a_task_is_tried_again_when_the_database_was_away() -> None:
    for task in (tasks.run_pipeline, tasks.help_detect, *tasks.STAGE_TASKS.values()):
        assert task.acks_late
        assert task.retry_backoff
        assert task.max_retries > 3
