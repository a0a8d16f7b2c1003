"""An import that is killed: whole batches remain, and running it again adds just what is missing."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from django.core.files.storage import storages

from annotation_site.catalog.importing import import_images
from annotation_site.catalog.models import Annotation, Image, Role
from annotation_site.catalog.roles import RoleShares
from tests.factories import CategoryFactory, ProjectFactory
from tests.site.coco_folders import SQUARE, CocoFolder
from tests.site.own_processes import running

pytestmark = pytest.mark.django_db(transaction=True)

IMAGES = 400


def wait_for_images(process, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not Image.objects.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_an_import_that_was_killed_goes_on_without_half_a_batch(tmp_path: Path):
    project = CategoryFactory(project=ProjectFactory(), name="car").project
    (tmp_path / "given").mkdir()
    coco = CocoFolder(tmp_path / "given")
    for number in range(IMAGES):
        coco.add(f"{number}.png", SQUARE, SQUARE)
    words = ("import_images", project.slug, str(coco.folder), "--annotations", str(coco.file))
    with running("manage.py", *words, "--role", "heldout", log=tmp_path / "log") as process:
        wait_for_images(process)
        process.kill()
        process.wait()
    written = Image.objects.count()
    assert written, (tmp_path / "log").read_text()
    assert Annotation.objects.count() == 2 * written

    report = import_images(
        project=project, folder=coco.folder, roles=RoleShares.all(Role.HELDOUT), annotations=coco.file
    )
    missing = IMAGES - written
    assert report.taken["images already there"] == written
    assert (report.taken["images"], report.taken["annotations"]) == (missing, 2 * missing)
    for image in Image.objects.all():
        with storages["images"].open(image.path) as file:
            assert hashlib.sha256(file.read()).hexdigest() == image.digest
