"""A real network goes through the commands: generated scenes, and photos. A few iterations prove the path."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation_site.catalog.models import Mask, Project, Role, StageRun, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage
from annotation_site.file_storage import storages_at
from pipeline.dendrogram import Dendrogram
from pipeline.scenes import SceneOptions, write_scenes
from tests.site.buckets import KEYS
from tests.site.own_processes import running

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.usefixtures("own_artifacts"),
]

DATA = Path(os.environ.get("MASKGROVE_DATA", settings.BASE_DIR.parent / "shared" / "data"))


def run_stages(slug: str, *, iterations: int, short_side: int) -> None:
    """Train, detect, cluster and calibrate by the commands of a user."""
    call_command("train", slug, iterations=iterations, short_side=short_side, batch_size=2)
    call_command("detect", slug, shard_images=4, max_masks=20)
    call_command("cluster", slug)
    call_command("calibrate", slug)


def check(project: Project, *, pool_images: int) -> None:
    """What every project has after its stages."""
    round_ = current_round(project)
    shards = round_.shards.filter(role=Role.POOL)
    assert sum(shard.images for shard in shards) == pool_images
    assert not any(shard.failures for shard in shards)
    for tree in Tree.objects.filter(round=round_):
        assert Dendrogram.from_bytes(tree.packed).n == tree.n == tree.masks.count()
    pool = Mask.objects.filter(tree__round=round_, tree__role=Role.POOL)
    assert pool.exists()
    assert not pool.filter(iou__isnull=False).exists()
    assert not Mask.objects.filter(tree__role=Role.HELDOUT, iou__isnull=True).exists()
    losses = StageRun.objects.get(round=round_, stage=Stage.TRAIN).detail["losses"]
    assert all(point["total"] > 0 for point in losses)
    assert round_.k_pa is not None


def test_generated_scenes(tmp_path: Path) -> None:
    options = SceneOptions(height=128, width=128, diameters=(30.0, 50.0))
    counts = {"initial": 6, "heldout": 4, "pool": 6}
    sets = write_scenes(tmp_path / "scenes", seed=1, counts=counts, options=options)
    call_command(
        "create_project", "Scenes", categories=",".join(options.categories), detector="maskrcnn-small",
        confidence=0.0,
    )  # fmt: skip
    for role, scenes in sets.items():
        call_command("import_images", "scenes", scenes.images, annotations=scenes.annotations, role=role)
    run_stages("scenes", iterations=6, short_side=128)
    check(Project.objects.get(slug="scenes"), pool_images=6)


def test_training_goes_on_from_its_checkpoint_with_the_same_options(tmp_path: Path) -> None:
    sets = write_scenes(
        tmp_path / "scenes", seed=1, counts={"initial": 4}, options=SceneOptions(height=96, width=96)
    )
    names = ",".join(SceneOptions().categories)
    call_command("create_project", "Scenes", categories=names, detector="maskrcnn-small")
    call_command(
        "import_images",
        "scenes",
        sets["initial"].images,
        annotations=sets["initial"].annotations,
        role="initial",
    )
    told = {"iterations": 8, "short_side": 96, "batch_size": 2, "checkpoint_every": 2}
    run = StageRun.objects.create(round=current_round(Project.objects.get()), stage=Stage.TRAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation_site.catalog.reporting.Reporter.__call__", stopping_after(5))
        with pytest.raises(Exception, match="goes on from here"):
            call_command("train", "scenes", **told)
    call_command("train", "scenes", **told)
    run.refresh_from_db()
    assert run.detail["resumed_from"] == 5
    assert run.detail["losses"][-1]["iteration"] == 8


def test_training_killed_with_its_files_in_a_bucket_goes_on_from_its_last_checkpoint(
    tmp_path: Path, settings, bucket: str
) -> None:
    """Nothing of a killed process stays but what it had handed over."""
    settings.STORAGES = {**settings.STORAGES, **storages_at(bucket, **KEYS)}
    sets = write_scenes(
        tmp_path / "scenes", seed=1, counts={"initial": 4}, options=SceneOptions(height=96, width=96)
    )
    call_command(
        "create_project", "Scenes", categories=",".join(SceneOptions().categories), detector="maskrcnn-small"
    )
    call_command(
        "import_images", "scenes", sets["initial"].images, annotations=sets["initial"].annotations,
        role="initial",
    )  # fmt: skip
    settings.VAR = tmp_path
    told = {"iterations": 8, "short_side": 96, "batch_size": 2, "checkpoint_every": 2}
    words = [word for name, value in told.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    storage = {
        "STORAGE_URL": bucket,
        "S3_ACCESS_KEY": KEYS["access_key"],
        "S3_SECRET_KEY": KEYS["secret_key"],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in storage.items():
            patch.setenv(name, value)
        with running("-c", KILLED_AFTER_FIVE, "scenes", *words, log=tmp_path / "log") as process:
            assert process.wait(timeout=240) == -signal.SIGKILL, (tmp_path / "log").read_text()
    call_command("train", "scenes", **told)
    assert StageRun.objects.get().detail["resumed_from"] == 4


KILLED_AFTER_FIVE = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from annotation_site.catalog.reporting import Reporter

said = Reporter.__call__

def report(self, done, total, message=""):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    said(self, done, total, message)

Reporter.__call__ = report
call_command("train", *sys.argv[1:])
"""


def stopping_after(iterations: int):
    from pipeline.progress import StopRequested

    def report(_self: object, done: int, total: int, message: str = "") -> None:
        if done >= iterations:
            raise StopRequested("Stopped.")

    return report


@pytest.mark.skipif(
    not (DATA / "facade").exists(), reason=f"no photos of facades at {DATA}: set MASKGROVE_DATA"
)
def test_photos_of_facades(tmp_path: Path) -> None:
    annotations = DATA / "facade" / "annotations.json"
    truth = json.loads(annotations.read_text())
    call_command(
        "create_project", "Facades", from_coco=annotations, detector="maskrcnn-small", confidence=0.0
    )
    for role, images in (
        ("initial", truth["images"][:4]),
        ("heldout", truth["images"][4:6]),
        ("pool", truth["images"][6:9]),
    ):
        folder = tmp_path / role
        folder.mkdir()
        for image in images:
            shutil.copy(DATA / "facade" / "images" / image["file_name"], folder)
        call_command("import_images", "facades", folder, annotations=annotations, role=role)
    run_stages("facades", iterations=3, short_side=256)
    check(Project.objects.get(slug="facades"), pool_images=3)
