"""Idle workers join in a stage that another one carries out, and only where there are pieces for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation_site import enqueue
from annotation_site.catalog import helping
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import DetectionShard, Project, Role, Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import images_done, plan_shards
from annotation_site.catalog.stages import Stage, State
from annotation_site.verification.carrying_on import carry_out
from tests.factories import NOON
from tests.site.painted_projects import painted_project
from workers import concurrency, tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "artifacts"},
    }
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}


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
