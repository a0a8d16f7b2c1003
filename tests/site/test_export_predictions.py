"""A project's predictions reach the experiments: held-out ones only, with their truth."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from annotation_site.catalog.calibrating import leaf_ious
from annotation_site.catalog.clustering import cluster
from annotation_site.catalog.detecting import detect
from annotation_site.catalog.models import Annotation, Image, Role, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, run_stage
from annotation_site.catalog.training import train
from annotation_site.results.export_files import ask_for_export, write_export
from annotation_site.results.formats.choice import Choice
from annotation_site.results.models import ExportFile
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.setting import real
from tests.factories import NOON
from tests.site.painted_projects import painted_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def detected(tmp_path: Path, own_artifacts: None) -> Round:
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


def test_the_model_page_exports_the_same_file_and_the_api_tells_of_it(
    detected: Round, tmp_path: Path, admin_client: Client
) -> None:
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    address = f"/projects/{detected.project.slug}/"
    page = admin_client.get(f"{address}model/").text
    assert 'name="format" value="predictions"' in page
    asked = {"format": "predictions", "include": "all", "round_number": detected.number}
    admin_client.post(f"{address}exports/new/", asked)
    export = write_export(ExportFile.objects.get())
    assert (export.state, export.error) == ("done", "")
    (told,) = admin_client.get(f"/api/v1{address}exports").json()["results"]
    assert (told["format"], told["entries"], told["sha256"]) == ("predictions", export.entries, export.sha256)
    file = b"".join(admin_client.get(f"{address}exports/{export.pk}/").streaming_content)
    assert hashlib.sha256(file).hexdigest() == export.sha256
    (tmp_path / "page.npz").write_bytes(file)
    by_page, by_command = Predicted.load(tmp_path / "page.npz"), exported(detected, tmp_path / "own.npz")
    assert len(by_page) == export.entries == len(by_command)
    assert np.array_equal(by_page.ious, by_command.ious)
    assert np.array_equal(by_page.features, by_command.features)
    assert "Held-out predictions" in admin_client.get(f"{address}exports/?list").text


@pytest.mark.parametrize(("number", "said"), [(None, "has no predictions"), (7, "has no round 7")])
def test_an_export_without_predictions_says_what_is_missing(
    tmp_path: Path, number: int | None, said: str
) -> None:
    project, choice = painted_project(tmp_path), Choice(round_number=number)
    current_round(project)
    asked = ask_for_export(project=project, format_name="predictions", choice=choice, by=None, at=NOON)
    failed = write_export(asked)
    assert failed.state == "failed"
    assert said in failed.error
    with pytest.raises(CommandError, match=said):
        call_command("export", project.slug, str(tmp_path / "x.npz"), format="predictions", round=number)
