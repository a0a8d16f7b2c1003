"""A stage whose process is killed with -9 is taken over at once and comes to the same bytes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models import QuerySet

from annotation_site.catalog.models import DetectionShard, Image, Mask, Project, Role, Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import images_of, plan_shards, store_shard, unfinished_shards
from annotation_site.catalog.stages import Stage, State, mark_done, orphaned
from annotation_site.catalog.storage import round_folder
from annotation_site.verification.carrying_on import carry_out
from tests.factories import NOON
from tests.site.own_processes import managed, running
from tests.site.painted_projects import painted_project
from tests.site.processes import until
from tests.site.test_clustering import predicted

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 240
"""Seconds: a busy machine takes long to start a process. Nothing ever waits that long on an idle one."""

SHARD = ("--shard-images", "3")


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path, own_artifacts: None) -> None:
    """Tests beside this one have projects of the same ids, in other databases."""
    settings.VAR = tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, images={Role.INITIAL: 3, Role.HELDOUT: 3, Role.POOL: 9})


@pytest.fixture
def trained(project: Project) -> Round:
    round_ = current_round(project)
    carry_out(round_, Stage.TRAIN)
    return round_


@contextmanager
def blocked(image: Image) -> Iterator[None]:
    """Whoever reads the image waits: its file is a pipe that nobody writes to. It is whole again after."""
    path = Path(image.path)
    aside = path.rename(path.with_suffix(".aside"))
    os.mkfifo(path)
    try:
        yield
    finally:
        path.unlink()
        aside.rename(path)


def finished_shards(round_: Round) -> QuerySet[DetectionShard]:
    return DetectionShard.objects.filter(round=round_, finished_at__isnull=False)


def shard_bytes(round_: Round) -> dict[tuple[str, int], bytes]:
    stored = storages["artifacts"]
    return {(shard.role, shard.index): stored.open(shard.path).read() for shard in finished_shards(round_)}


def forest(round_: Round) -> list[tuple[object, ...]]:
    trees = round_.trees.order_by("role", "category").values_list("category", "role", "n", "seed", "packed")
    leaves = Mask.objects.filter(tree__round=round_).order_by("tree__role", "tree__category", "position")
    stored = leaves.values_list("position", "image", "x", "y", "counts", "score", "iou")
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in (*trees, *stored)]


def test_killed_in_a_shard(trained: Round, tmp_path: Path) -> None:
    assert managed("detect", trained.project.slug, *SHARD).returncode == 0
    undisturbed = shard_bytes(trained)
    assert len(undisturbed) == 4

    log = tmp_path / "detect.log"
    third = list(Image.objects.filter(role=Role.POOL).order_by("id"))[4]
    with (
        blocked(third),
        running("manage.py", "detect", trained.project.slug, *SHARD, "--force", log=log) as process,
    ):
        until(
            lambda: finished_shards(trained).count() == 2,
            seconds=PATIENCE,
            waiting_for=f"two shards: {log.read_text()}",
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
    run = StageRun.objects.get(round=trained, stage=Stage.DETECT)
    assert run.state == State.RUNNING
    until(lambda: orphaned([run]), seconds=PATIENCE, waiting_for="the lock to be free")

    finished = dict(DetectionShard.objects.exclude(finished_at=None).values_list("pk", "finished_at"))
    again = managed("detect", trained.project.slug, *SHARD)
    assert again.returncode == 0, again.stderr
    assert shard_bytes(trained) == undisturbed
    assert finished.items() <= dict(DetectionShard.objects.values_list("pk", "finished_at")).items()
    unfinished = [p.name for p in Path(storages["artifacts"].path("projects")).rglob("*.unfinished*")]
    assert unfinished == []


def test_killed_in_a_tree(trained: Round, tmp_path: Path) -> None:
    carry_out(trained, Stage.DETECT)
    assert managed("cluster", trained.project.slug).returncode == 0
    undisturbed = forest(trained)
    assert len({row[:2] for row in undisturbed if len(row) == 5}) == 4

    with (
        running("manage.py", "cluster", trained.project.slug, "--force", log=tmp_path / "log") as process,
        transaction.atomic(),
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                "LOCK TABLE catalog_image IN ACCESS EXCLUSIVE MODE"
            )  # Its foreign keys wait for it.
        until(lambda: waits_for_a_lock(), seconds=PATIENCE, waiting_for="a tree that is being written")
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = managed("cluster", trained.project.slug)
    assert again.returncode == 0, again.stderr
    assert forest(trained) == undisturbed


def many_masks(project: Project, *, each: int) -> Round:
    """A round whose shards hold `each` masks of one category on every pool image."""
    round_, rng = current_round(project), np.random.default_rng(3)
    plan_shards(round_, Role.POOL, size=3)
    for shard in unfinished_shards(round_):
        found = {image.pk: predicted(rng, each) for image in images_of(shard)}
        store_shard(shard, found, at=NOON)
    mark_done(round_, Stage.DETECT, message="made", at=NOON)
    return round_


def buckets_of(round_: Round) -> Path:
    return Path(storages["artifacts"].path(f"{round_folder(round_)}/pieces/pool-7"))


def finished_buckets(round_: Round) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (buckets_of(round_) / "trees").glob("*.npz")}


IN_SMALL_BLOCKS = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from pipeline.linkage import partitioned

slug, dies_at = sys.argv[1], int(sys.argv[2])
partition = partitioned.partition
partitioned.partition = lambda *given, **named: partition(*given, **{**named, "block": 32})
write, written = partitioned.write_arrays, []

def write_arrays(*given, **arrays):
    if len(written) == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*given, **arrays)
    written.append(given)

partitioned.write_arrays = write_arrays
call_command("cluster", slug, *sys.argv[3:])
print("buckets", len(written))
"""
"""`manage.py cluster` with blocks of 32 masks, whose process dies with a bucket in hand."""


def clustered_in_blocks(slug: str, *words: str, dies_at: int, log: Path) -> tuple[int, str]:
    log.write_text("")
    with running("-c", IN_SMALL_BLOCKS, slug, str(dies_at), *words, log=log) as process:
        code = process.wait(timeout=PATIENCE)
    return code, log.read_text()


def test_killed_in_a_block_of_a_large_tree(project: Project, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EXACT_TREES_UP_TO", "100")
    round_, log = many_masks(project, each=120), tmp_path / "log"
    code, told = clustered_in_blocks(project.slug, dies_at=-1, log=log)
    assert code == 0, told
    buckets = int(told.split()[-1])
    assert buckets > 3
    undisturbed = forest(round_)
    assert not buckets_of(round_).exists()

    code, told = clustered_in_blocks(project.slug, "--force", dies_at=2, log=log)
    assert code == -signal.SIGKILL, told
    finished = finished_buckets(round_)
    assert len(finished) == 2
    until(
        lambda: orphaned([StageRun.objects.get(round=round_, stage=Stage.CLUSTER)]),
        seconds=PATIENCE,
        waiting_for="the lock to be free",
    )
    code, told = clustered_in_blocks(project.slug, dies_at=-1, log=log)
    assert code == 0, told
    assert int(told.split()[-1]) == buckets - 2
    assert forest(round_) == undisturbed


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE datname = current_database() AND NOT granted AND locktype = 'relation'"
        )
        return cursor.fetchone()[0] > 0


def test_ctrl_c_stops_between_two_pieces_and_says_how_to_go_on(trained: Round, tmp_path: Path) -> None:
    log = tmp_path / "log"
    last = Image.objects.filter(role=Role.POOL).latest("id")
    with running("manage.py", "detect", trained.project.slug, *SHARD, log=log) as process:
        with blocked(last):
            until(
                lambda: len(shard_bytes(trained)) == 3,
                seconds=PATIENCE,
                waiting_for=f"three shards: {log.read_text()}",
            )
            process.send_signal(signal.SIGINT)
            until(
                lambda: opened_for_reading(Path(last.path)) or process.poll(),
                seconds=PATIENCE,
                waiting_for="the next piece",
            )
        assert process.wait(timeout=PATIENCE) == 130
    assert "Run `manage.py detect" in log.read_text()
    assert StageRun.objects.get(round=trained, stage=Stage.DETECT).state == State.STOPPED
    assert managed("detect", trained.project.slug, *SHARD).returncode == 0


def opened_for_reading(pipe: Path) -> bool:
    """Let whoever waits at the pipe read nothing from it."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
