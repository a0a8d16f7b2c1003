"""A project's predictions reach the experiments: held-out ones only, with their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation_site.catalog.calibrating import leaf_ious
from annotation_site.catalog.clustering import cluster
from annotation_site.catalog.detecting import detect
from annotation_site.catalog.models import Annotation, Image, Role, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, run_stage
from annotation_site.catalog.training import train
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.setting import real
from tests.site.painted_projects import painted_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def detected(tmp_path: Path, settings) -> Round:
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "artifacts"},
    }
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}
    round_ = current_round(painted_project(tmp_path))
    run_stage(round_, Stage.TRAIN, lambda report: train(round_, report))
    run_stage(round_, Stage.DETECT, lambda report: detect(round_, report, shard_images=4))
    return round_


def exported(round_: Round, path: Path) -> Predicted:
    call_command("export_predictions", round_.project.slug, str(path))
    return Predicted.load(path)


def test_the_file_holds_the_heldout_predictions_as_the_trees_do(detected: Round, tmp_path: Path) -> None:
    found = exported(detected, tmp_path / "predictions.npz")
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    trees = detected.trees.filter(role=Role.HELDOUT)
    assert len(found) == sum(tree.n for tree in trees) > 0
    of_trees = np.concatenate([leaf_ious(tree) for tree in trees])
    assert np.sort(found.ious) == pytest.approx(np.sort(of_trees), abs=1e-6)
    heldout = Image.objects.filter(project=detected.project, role=Role.HELDOUT)
    assert set(found.images.tolist()) <= set(heldout.values_list("pk", flat=True))
    assert found.all_images.tolist() == list(heldout.order_by("pk").values_list("pk", flat=True))


def test_each_mask_names_its_object_and_each_object_its_place(detected: Round, tmp_path: Path) -> None:
    found = exported(detected, tmp_path / "predictions.npz")
    objects = Annotation.objects.filter(image__role=Role.HELDOUT, is_crowd=False).order_by("pk")
    assert found.drawn == objects.count()
    seen = found.objects >= 0
    assert (seen == (found.ious > 0)).all()
    assert (found.object_images[found.objects[seen]] == found.images[seen]).all()
    assert (found.object_categories[found.objects[seen]] == found.categories[seen]).all()
    first = objects.first()
    assert found.object_centres[0].tolist() == pytest.approx(
        [(first.x + first.width / 2) / first.image.width, (first.y + first.height / 2) / first.image.height]
    )


def test_experiments_take_the_file_as_their_world(detected: Round, tmp_path: Path) -> None:
    found = exported(detected, tmp_path / "predictions.npz")
    grown = real("painted", found, seed=0)
    assert grown.world.masks + grown.held_out.masks <= len(found)
    assert grown.searched is not None


def test_without_annotated_heldout_images_it_says_what_to_do(detected: Round, tmp_path: Path) -> None:
    Annotation.objects.filter(image__role=Role.HELDOUT).delete()
    with pytest.raises(CommandError, match="--role heldout"):
        exported(detected, tmp_path / "predictions.npz")
    assert not (tmp_path / "predictions.npz").exists()


def test_an_unknown_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("export_predictions", "nowhere", str(tmp_path / "predictions.npz"))
