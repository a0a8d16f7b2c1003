"""Real photos with real annotations and predictions: through the imports, the tree, and out again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import call_command
from pycocotools.coco import COCO

from annotation_site.catalog.models import Annotation, Image, Mask, Project
from annotation_site.results.reporting import report
from annotation_site.verification.models import Says
from pipeline import masks
from pipeline.metrics import best_ious
from tests.site.verified_projects import answer_all

DATA = Path(os.environ.get("MASKGROVE_DATA", settings.BASE_DIR.parent / "shared" / "data"))
COCO480, FACADE = DATA / "coco480", DATA / "facade"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not COCO480.exists(), reason=f"no photos at {DATA}: set MASKGROVE_DATA"),
]


@pytest.fixture(autouse=True)
def _own_files(tmp_path, settings):
    backend = "django.core.files.storage.FileSystemStorage"
    own = {
        name: {"BACKEND": backend, "OPTIONS": {"location": tmp_path / name}}
        for name in ("images", "artifacts")
    }
    settings.STORAGES = {**settings.STORAGES, **own}


def part_of(source: Path, folder: Path, *, images: int) -> Path:
    """A COCO file of the first images of another and of their annotations."""
    whole = json.loads((source / "annotations.json").read_text())
    chosen = whole["images"][:images]
    ids = {image["id"] for image in chosen}
    annotations = [one for one in whole["annotations"] if one["image_id"] in ids]
    path = folder / "part.json"
    path.write_text(json.dumps({**whole, "images": chosen, "annotations": annotations}))
    return path


def predictions_of(file: Path, folder: Path) -> Path:
    """The real predictions on the images of a COCO file."""
    ids = {image["id"] for image in json.loads(file.read_text())["images"]}
    listed = json.loads((COCO480 / "predictions.json").read_text())
    path = folder / "predictions.json"
    path.write_text(json.dumps([one for one in listed if one["image_id"] in ids]))
    return path


def run(*words: object, **options: Any) -> None:
    call_command(*map(str, words), stdout=open(os.devnull, "w"), **options)  # noqa


class TestCoco480:
    def test_every_mask_is_stored_as_pycocotools_reads_it(self, tmp_path):
        file = part_of(COCO480, tmp_path, images=40)
        run("create_project", "coco", "--from-coco", file)
        run(
            "import_images",
            "coco",
            COCO480 / "images",
            "--annotations",
            file,
            "--role",
            "heldout",
            "--strict",
        )
        coco = COCO(str(file))
        assert Image.objects.count() == 40
        assert Annotation.objects.count() == len(coco.anns)
        for annotation in Annotation.objects.select_related("image", "category"):
            entry = coco.anns[annotation.coco_id]
            assert annotation.image.coco_id == entry["image_id"]
            assert annotation.category.coco_id == entry["category_id"]
            assert np.array_equal(masks.decode(annotation.rle), coco.annToMask(entry).astype(bool))

    def test_from_photos_and_predictions_to_a_verified_dataset(self, tmp_path):
        file = part_of(COCO480, tmp_path, images=100)
        run("create_project", "coco", "--from-coco", file, "--n-s", "4", "--k-iou", "0.5", "--k-pa", "0.5")
        folder, split = COCO480 / "images", "heldout=0.2,pool=0.8"
        run("import_images", "coco", folder, "--annotations", file, "--split", split, "--in-place")
        run("import_predictions", "coco", predictions_of(file, tmp_path), computed_by="descriptors")
        for stage in ("cluster", "calibrate", "open"):
            run(stage, "coco")
        project = Project.objects.get()
        answer_all(project, says=oracle(project))
        run("export", "coco", tmp_path / "out.json")
        found = report(project)
        exported = COCO(str(tmp_path / "out.json"))
        assert len(exported.anns) == found.accepted > 20
        assert found.tally.precision > 0.75
        assert found.tally.sq > 0.6
        assert found.questions < found.accepted * 3


def oracle(project: Project):
    """Someone who sees the annotations and never errs."""

    def says(item):
        question = item.question
        if question.gold is not None:
            return Says.YES if question.gold.is_correct else Says.NO
        mask = Mask.objects.select_related("image").get(pk=question.mask_id)
        same = Annotation.objects.filter(image=mask.image, category=question.category, is_crowd=False)
        truth = [annotation.rle for annotation in same.select_related("image")]
        return Says.YES if best_ious([mask.rle], truth)[0] >= project.k_iou else Says.NO

    return says


@pytest.mark.skipif(not FACADE.exists(), reason=f"no photos of facades at {DATA}: set MASKGROVE_DATA")
class TestFacade:
    def test_dense_polygons_are_stored_whole(self, tmp_path):
        file = part_of(FACADE, tmp_path, images=15)
        run("create_project", "facade", "--from-coco", file)
        run("import_images", "facade", FACADE / "images", "--annotations", file, "--role", "initial")
        coco = COCO(str(file))
        stored = {a.coco_id: a.area for a in Annotation.objects.all()}
        left_out = set(coco.anns) - set(stored)
        assert len(stored) > 300
        assert all(coco.annToMask(coco.anns[one]).sum() == 0 for one in left_out)
        assert all(coco.annToMask(coco.anns[one]).sum() == area for one, area in list(stored.items())[:100])
