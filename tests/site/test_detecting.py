"""Detection covers every image once, whoever helps and whoever dies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import storages
from PIL import Image as Picture

from annotation_site.catalog import detecting, shards
from annotation_site.catalog.claims import Claims
from annotation_site.catalog.detecting import detect, work_through_shards
from annotation_site.catalog.models import DetectionShard, Image, Project, Role, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import (
    Failure,
    claimed_shard,
    images_done,
    images_of,
    plan_shards,
    read_shard,
    store_shard,
    unfinished_shards,
)
from annotation_site.catalog.stages import Stage, run_stage
from annotation_site.catalog.training import train
from pipeline.predictions import Predictions
from pipeline.progress import StopRequested, silent
from tests import factories
from tests.factories import NOON
from tests.site.painted_projects import SIDE, painted_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path)


@pytest.fixture
def trained(project: Project) -> Round:
    round_ = current_round(project)
    run_stage(round_, Stage.TRAIN, lambda report: train(round_, report))
    return round_


def one_prediction(*, class_score: float = 0.9) -> Predictions:
    counts = factories.rectangle(1, 2, 3, 4, size=(64, 64))
    return Predictions(
        np.array([7], np.int32), np.array([[1, 2, 3, 4]], np.float32), np.array([class_score], np.float32),
        np.array([0.5], np.float32), [{"size": [64, 64], "counts": counts}],
    )  # fmt: skip


def bytes_of(round_: Round) -> dict[tuple[str, int], bytes]:
    stored = storages["artifacts"]
    kept = DetectionShard.objects.filter(round=round_)
    return {(s.role, s.index): stored.open(s.path).read() for s in kept}


def test_shards_cover_every_image_of_their_role_once(project: Project) -> None:
    round_ = current_round(project)
    for role in shards.PREDICTED_ROLES:
        plan_shards(round_, role, size=4)
    covered = [image for shard in DetectionShard.objects.all() for image in images_of(shard)]
    assert sorted(image.pk for image in covered) == list(
        Image.objects.exclude(role=Role.INITIAL).order_by("id").values_list("id", flat=True)
    )
    assert list(DetectionShard.objects.order_by("role", "index").values_list("role", "index", "images")) == [
        ("heldout", 0, 4), ("pool", 0, 4), ("pool", 1, 2),
    ]  # fmt: skip


def test_images_imported_later_get_shards_of_their_own(project: Project) -> None:
    round_ = current_round(project)
    plan_shards(round_, Role.POOL, size=4)
    plan_shards(round_, Role.POOL, size=4)
    late = factories.ImageFactory(project=project)
    plan_shards(round_, Role.POOL, size=4)
    added = DetectionShard.objects.get(index=2)
    assert list(images_of(added)) == [late]
    assert DetectionShard.objects.count() == 3


def test_images_of_other_projects_are_not_touched(project: Project, tmp_path: Path) -> None:
    other = factories.ImageFactory()
    factories.ImageFactory(project=project)
    plan_shards(current_round(project), Role.POOL, size=100)
    assert other not in images_of(DetectionShard.objects.get())


def test_a_stored_shard_is_read_back(project: Project) -> None:
    round_ = current_round(project)
    plan_shards(round_, Role.POOL)
    shard = unfinished_shards(round_).get()
    failures = [Failure("broken.png", "cannot be decoded")]
    assert store_shard(shard, {3: one_prediction(), 5: one_prediction()}, failures=failures, at=NOON)
    shard.refresh_from_db()
    assert (shard.masks, shard.finished_at) == (2, NOON)
    assert shard.failures == [{"image": "broken.png", "reason": "cannot be decoded"}]
    with read_shard(shard) as reader:
        assert reader.column("images").tolist() == [3, 5]


def test_storing_a_shard_twice_changes_nothing(project: Project) -> None:
    round_ = current_round(project)
    plan_shards(round_, Role.POOL)
    shard = unfinished_shards(round_).get()
    assert store_shard(shard, {3: one_prediction()}, at=NOON)
    assert not store_shard(shard, {3: one_prediction()}, at=NOON.replace(hour=13))
    shard.refresh_from_db()
    assert shard.finished_at == NOON


def test_predictions_below_the_projects_confidence_are_dropped(project: Project) -> None:
    Project.objects.update(confidence=0.2)
    round_ = Round.objects.create(project=Project.objects.get(), number=1)
    plan_shards(round_, Role.POOL)
    shard = unfinished_shards(round_).get()
    store_shard(shard, {3: one_prediction(class_score=0.19), 5: one_prediction(class_score=0.21)}, at=NOON)
    with read_shard(DetectionShard.objects.get()) as reader:
        assert reader.column("images").tolist() == [5]


def test_a_shard_is_claimed_by_one(project: Project) -> None:
    round_ = current_round(project)
    plan_shards(round_, Role.POOL, size=3)
    with Claims() as one, Claims() as another:
        with claimed_shard(one, round_) as mine, claimed_shard(another, round_) as yours:
            assert mine is not None
            assert yours is not None
            assert mine.pk != yours.pk
            with Claims() as third, claimed_shard(third, round_) as none_left:
                assert none_left is None
        with claimed_shard(another, round_) as again:
            assert again == mine


def test_detection_predicts_on_heldout_and_pool_images(trained: Round) -> None:
    run = run_stage(trained, Stage.DETECT, lambda report: detect(trained, report, shard_images=4))
    assert (run.done, run.total) == (10, 10)
    assert run.message.endswith("masks")
    assert images_done(trained) == (10, 10)
    found = 0
    for shard in DetectionShard.objects.filter(round=trained):
        with read_shard(shard) as reader:
            found += reader.size
            assert set(reader.category_ids.tolist()) <= {7, 8}
            assert reader.feature_kinds == ["attention", "backbone", "mask", "mask_iou"]
    assert found == sum(DetectionShard.objects.values_list("masks", flat=True)) > 20


def test_detecting_again_gives_the_same_bytes(trained: Round) -> None:
    detect(trained, silent, shard_images=4)
    before = bytes_of(trained)
    run_stage(trained, Stage.DETECT, lambda report: detect(trained, report, shard_images=4), force=True)
    assert bytes_of(trained) == before


def test_a_broken_image_costs_itself_only(trained: Round) -> None:
    victim = Image.objects.filter(role=Role.POOL).first()
    Path(victim.path).write_bytes(b"no image")
    run = run_stage(trained, Stage.DETECT, lambda report: detect(trained, report))
    failures = [f for shard in DetectionShard.objects.all() for f in shard.failures]
    assert [failure["image"] for failure in failures] == [victim.name]
    assert "cannot be decoded" in failures[0]["reason"]
    assert "1 images could not be read" in run.message


def test_an_image_that_has_another_size_by_now_costs_itself_only(trained: Round) -> None:
    """Its masks would lie elsewhere in the image that people are shown."""
    resized = Image.objects.filter(role=Role.POOL).order_by("id")[1]
    with Picture.open(resized.path) as picture:
        picture.resize((SIDE // 2, SIDE // 2)).save(resized.path)
    detect(trained, silent, shard_images=4)
    failures = [failure for shard in trained.shards.all() for failure in shard.failures]
    assert [failure["image"] for failure in failures] == [resized.name]
    assert "another file than was imported, 32 x 32 pixels instead of 64 x 64" in failures[0]["reason"]


def test_stopping_keeps_the_finished_shards(trained: Round) -> None:
    def stop_in_the_second(done: int, total: int, message: str = "") -> None:
        if images_done(trained)[0] >= 2:
            raise StopRequested

    with pytest.raises(StopRequested):
        detect(trained, stop_in_the_second, shard_images=2)
    finished = {shard.pk: shard.finished_at for shard in DetectionShard.objects.exclude(finished_at=None)}
    assert len(finished) == 1
    detect(trained, silent)
    for pk, at in finished.items():
        assert DetectionShard.objects.get(pk=pk).finished_at == at
    assert not unfinished_shards(trained).exists()


def test_a_helper_takes_what_nobody_has(trained: Round) -> None:
    for role in shards.PREDICTED_ROLES:
        plan_shards(trained, role, size=4)
    with Claims() as another, claimed_shard(another, trained) as held:
        assert work_through_shards(trained, silent) == 2
        assert list(unfinished_shards(trained)) == [held]
    assert work_through_shards(trained, silent) == 1


def test_the_stage_waits_for_helpers_and_takes_over_when_one_dies(trained: Round, monkeypatch) -> None:
    monkeypatch.setattr(detecting, "LOOK_AGAIN", 0.01)
    for role in shards.PREDICTED_ROLES:
        plan_shards(trained, role, size=4)
    helper = Claims()
    helping = claimed_shard(helper, trained)
    helping.__enter__()
    waited = []

    def watch(done: int, total: int, message: str = "") -> None:
        if message.startswith("Waiting"):
            waited.append(done)
            helper.close()

    detect(trained, watch, shard_images=4)
    assert waited == [6]
    assert not unfinished_shards(trained).exists()


def test_a_model_is_loaded_once_a_process(trained: Round, monkeypatch) -> None:
    loads = []
    monkeypatch.setattr(
        detecting,
        "load_predictor",
        lambda r, real=detecting.load_predictor, **o: loads.append(1) or real(r, **o),
    )
    detect(trained, silent, shard_images=2)
    assert loads == [1]


def test_detection_without_a_model_says_what_to_do(project: Project) -> None:
    with pytest.raises(detecting.NoModel, match=r"manage\.py train"):
        detect(current_round(project), silent)


def test_detection_without_images_says_what_to_do() -> None:
    project = factories.ProjectFactory()
    with pytest.raises(detecting.NothingToDetect, match="import_images"):
        detect(current_round(project), silent)
