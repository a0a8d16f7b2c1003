"""Real Celery workers carry a project to its first question, and nothing is lost with one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from django.conf import settings

from annotation_site import embedded, enqueue
from annotation_site.catalog.models import DetectionShard, Image, Project, Role, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import ORDER, Stage, State
from tests.site.own_processes import BROKER, environment, running
from tests.site.painted_projects import painted_project
from tests.site.processes import is_gone, until
from tests.site.test_killed_stages import PATIENCE, blocked, opened_for_reading

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "-m celery --app workers worker --beat -c 2 -Q cpu,gpu,io --without-mingle --without-gossip"


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path, own_artifacts: None) -> None:
    settings.VAR = tmp_path


@pytest.fixture(autouse=True)
def _empty_broker() -> None:
    servers = Path(os.environ["MASKGROVE_VAR"])
    redis.Redis.from_url(f"{embedded.ensure_redis(servers)}?db={BROKER}").flushdb()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, images={Role.INITIAL: 3, Role.HELDOUT: 4, Role.POOL: 8}, k_pa=0.1)


@contextmanager
def worker(tmp_path: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with two children; all of them are gone after the block."""
    schedule = ("--schedule", str(tmp_path / f"{name}.beat"))
    with running(*WORKER.split(), *schedule, log=tmp_path / f"{name}.log") as process:
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and its children with -9."""
    if process.poll() is None:
        for member in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            member.send_signal(signal.SIGKILL)
            until(lambda pid=member.pid: is_gone(pid), waiting_for="a process to be gone")


def states(project: Project) -> dict[str, str]:
    return dict(StageRun.objects.filter(round=current_round(project)).values_list("stage", "state"))


@pytest.mark.slow
def test_workers_carry_a_project_to_its_first_question(project: Project, tmp_path: Path) -> None:
    enqueue.run_pipeline(project)
    with worker(tmp_path, "worker"):
        until(
            lambda: states(project).get(Stage.OPEN) == State.DONE, seconds=PATIENCE,
            waiting_for=f"the campaign: {(tmp_path / 'worker.log').read_text()[-3000:]}",
        )  # fmt: skip
    assert states(project) == dict.fromkeys(ORDER, State.DONE)
    assert project.questions.filter(wanted__gt=0).exists()


@pytest.mark.slow
def test_a_worker_killed_in_a_shard_is_replaced_by_the_next_one(project: Project, tmp_path: Path) -> None:
    last = Image.objects.filter(role=Role.POOL).latest("id")
    enqueue.run_pipeline(project)
    with blocked(last), worker(tmp_path, "first") as first:
        until(
            lambda: DetectionShard.objects.filter(finished_at__isnull=False).exists(), seconds=PATIENCE,
            waiting_for="the shard of the held-out images",
        )  # fmt: skip
        kill(first)
        assert states(project)["detect"] == State.RUNNING
    finished = DetectionShard.objects.get(role=Role.HELDOUT).finished_at
    with worker(tmp_path, "second"):
        until(
            lambda: states(project).get(Stage.OPEN) == State.DONE,
            seconds=PATIENCE,
            waiting_for="the campaign",
        )
    assert DetectionShard.objects.get(role=Role.HELDOUT).finished_at == finished


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_stops_between_two_pieces(project: Project, tmp_path: Path) -> None:
    last, log = Image.objects.filter(role=Role.POOL).latest("id"), tmp_path / "worker.log"
    enqueue.run_pipeline(project)
    with blocked(last), worker(tmp_path, "worker") as process:
        until(
            lambda: DetectionShard.objects.filter(finished_at__isnull=False).exists(), seconds=PATIENCE,
            waiting_for="the shard of the held-out images",
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        until(
            lambda: "Warm shutdown" in log.read_text(), seconds=PATIENCE, waiting_for="the worker to hear it"
        )
        until(
            lambda: opened_for_reading(Path(last.path)) or process.poll() is not None, waiting_for="a piece"
        )
        assert process.wait(timeout=PATIENCE) == 0
    assert states(project) == {"train": State.DONE, "detect": State.WAITING}
    with worker(tmp_path, "next"):
        until(
            lambda: states(project).get(Stage.OPEN) == State.DONE,
            seconds=PATIENCE,
            waiting_for="the campaign",
        )
    assert not any(shard.failures for shard in DetectionShard.objects.all())


def test_neither_the_site_nor_a_worker_loads_torch_when_it_starts() -> None:
    """A worker's children are forked before any thread of torch or numba runs in their parent."""
    told = (
        "import annotation_site.wsgi, workers.tasks, sys; print({'torch', 'torchvision'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", told]
    found = subprocess.run(words, cwd=settings.BASE_DIR, env=environment(), capture_output=True, check=True)
    assert found.stdout.strip() == b"set()"
