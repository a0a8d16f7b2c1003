"""Importing predictions: any model's masks take the place of training and detecting here."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image as Picture

from annotation_site.catalog import foreign_predictions
from annotation_site.catalog.foreign_features import ComputedFeatures, GivenFeatures, InvalidFeatures
from annotation_site.catalog.foreign_predictions import OtherPredictions, import_predictions
from annotation_site.catalog.import_report import Kind
from annotation_site.catalog.models import Image, Project, Role, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import finished_shards, read_shard
from annotation_site.catalog.stages import RoundIsOpen, StageFailed, mark_done, next_stage
from pipeline import masks
from pipeline.descriptors import DIMENSIONS, Descriptors
from pipeline.pictures import UnreadableImage
from pipeline.predictions import Predictions
from tests.factories import NOON, CategoryFactory, ImageFactory, PaintedImageFactory, ProjectFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]

SQUARE = [[2.0, 2.0, 10.0, 2.0, 10.0, 8.0, 2.0, 8.0]]


class Areas:
    """A feature source that needs no image: two numbers from the mask."""

    described = "areas, for tests"

    def __call__(self, image, results, found):
        return np.stack([masks.areas(found), np.arange(len(found))], axis=1).astype(np.float32)


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    CategoryFactory(project=project, coco_id=17, name="car")
    CategoryFactory(project=project, coco_id=3, name="bus")
    for number in range(1, 5):
        role = Role.HELDOUT if number == 2 else Role.POOL
        ImageFactory(project=project, coco_id=number, name=f"{number}.png", role=role)
    return project


def entry(
    image: int | str = 1, category: int = 17, score: float = 0.9, **values: object
) -> dict[str, object]:
    made = {"image_id": image, "category_id": category, "score": score, "segmentation": SQUARE}
    return {**made, **values}


@pytest.fixture
def results(tmp_path):
    def write(*entries: object, name: str = "results.json", **sections: object) -> Path:
        document = {**sections, "annotations": list(entries)} if sections else list(entries)
        (tmp_path / name).write_text(json.dumps(document))
        return tmp_path / name

    return write


@pytest.fixture
def vectors(tmp_path):
    def save(array: np.ndarray) -> Path:
        np.save(tmp_path / "features.npy", array)
        return tmp_path / "features.npy"

    return save


def take(project: Project, file: Path, **options):
    return import_predictions(
        project=project, results=file, features=options.pop("features", Areas()), **options
    )


def stored(project: Project, role: Role = Role.POOL) -> dict[str, Predictions]:
    """Image name -> its predictions, from the round's shards."""
    found = {}
    names = dict(Image.objects.values_list("pk", "name"))
    for shard in finished_shards(current_round(project), role):
        with read_shard(shard) as reader:
            images = reader.column("images")
            everything = reader.predictions()
            for pk in np.unique(images):
                found[names[pk]] = everything.take(images == pk)
    return found


class TestTaking:
    def test_masks_reach_the_shards_of_their_images(self, project, results):
        file = results(entry(1), entry(2, 3), entry(3, 17, 0.5, predicted_iou=0.8), entry(1, 3, 0.6))
        outcome = take(project, file)
        assert outcome.report.taken["masks"] == 4
        pool, heldout = stored(project), stored(project, Role.HELDOUT)
        assert (sorted(pool), sorted(heldout)) == (["1.png", "3.png"], ["2.png"])
        assert sorted(pool["1.png"].categories.tolist()) == [3, 17]
        assert pool["3.png"].scores.tolist() == pytest.approx([0.4])
        assert pool["3.png"].boxes.tolist() == [[2, 2, 8, 6]]
        assert masks.decode(pool["3.png"].masks[0]).sum() == 48

    def test_the_order_of_the_file_does_not_matter(self, project, results):
        entries = [entry(image, score=0.3 + image / 10) for image in (3, 1, 4, 1, 3)]
        take(project, results(*entries))
        assert {name: len(found) for name, found in stored(project).items()} == {
            "1.png": 2,
            "3.png": 2,
            "4.png": 1,
        }

    def test_scores_below_the_projects_confidence_are_dropped_and_counted(self, project, results):
        outcome = take(project, results(entry(score=0.1), entry(score=0.2), entry(score=0.9)))
        assert outcome.report.taken["masks below the project's confidence"] == 1
        assert len(stored(project)["1.png"]) == 2

    def test_the_stage_is_done_and_clustering_follows(self, project, results):
        outcome = take(project, results(entry()))
        round_ = current_round(project)
        assert outcome.run.state == "done"
        assert next_stage(round_) == StageRun.Stage.CLUSTER
        assert round_.feature_source == "results.json; features: areas, for tests"

    def test_more_images_than_a_shard_holds(self, project, results, monkeypatch):
        monkeypatch.setattr(
            foreign_predictions,
            "plan_shards",
            lambda round_, role, plan=foreign_predictions.plan_shards: plan(round_, role, size=1),
        )
        take(project, results(*(entry(number) for number in range(1, 5))))
        assert current_round(project).shards.count() == 4
        assert set(stored(project)) == {"1.png", "3.png", "4.png"}


class TestImages:
    def test_they_may_be_given_by_name(self, project, results):
        take(project, results(entry("3.png")))
        assert set(stored(project)) == {"3.png"}

    def test_a_file_of_images_says_what_ids_mean(self, project, results, tmp_path):
        listing = tmp_path / "images.json"
        listing.write_text(json.dumps({"images": [{"id": 900, "file_name": "4.png"}]}))
        outcome = take(project, results(entry(900), entry(1)), images=listing)
        assert set(stored(project)) == {"4.png"}
        assert outcome.report.problems == {Kind.UNKNOWN_IMAGE: 1}

    def test_a_results_file_may_list_images_and_categories_itself(self, project, results):
        file = results(
            entry(900, 55),
            images=[{"id": 900, "file_name": "4.png"}],
            categories=[{"id": 55, "name": "bus"}],
        )
        take(project, file)
        assert stored(project)["4.png"].categories.tolist() == [3]

    def test_an_id_that_two_images_have_is_named(self, project, results):
        ImageFactory(project=project, coco_id=1, name="other.png", role=Role.HELDOUT)
        report = take(project, results(entry(1), entry(3))).report
        assert report.problems == {Kind.AMBIGUOUS_IMAGE: 1}
        assert "1.png (pool) and other.png (heldout)" in str(report.examples[Kind.AMBIGUOUS_IMAGE][0])

    def test_an_initial_image_of_the_same_id_is_not_meant(self, project, results):
        ImageFactory(project=project, coco_id=1, name="train.png", role=Role.INITIAL)
        ImageFactory(project=project, coco_id=70, name="trained.png", role=Role.INITIAL)
        report = take(project, results(entry(1), entry(70))).report
        assert not report.problems
        assert report.taken["masks of images of role initial"] == 1
        assert set(stored(project)) == {"1.png"}


class TestProblems:
    def test_what_cannot_be_read_is_counted_and_the_rest_taken(self, project, results):
        report = take(
            project,
            results(
                entry(),
                entry(99),
                entry(category=5),
                entry(segmentation=[[100, 100, 110, 100, 110, 110]]),
                entry(segmentation={"size": [1, 1], "counts": "1"}),
                entry(score="high"),
                {"image_id": 1},
            ),
        ).report
        assert report.taken["masks"] == 1
        assert report.problems == {
            Kind.UNKNOWN_IMAGE: 1,
            Kind.UNKNOWN_CATEGORY: 1,
            Kind.OUTSIDE: 1,
            Kind.INVALID_MASK: 1,
            Kind.MALFORMED_ITEM: 2,
        }
        assert report.unknown_categories == {"id 5": 1}

    def test_a_broken_file_fails_the_stage_and_can_be_imported_when_mended(self, project, results):
        file = results(entry())
        whole = file.read_text()
        file.write_text(whole[:-20])
        with pytest.raises(StageFailed, match=r"results\.json: not valid JSON"):
            take(project, file)
        file.write_text(whole)
        assert take(project, file).run.state == "done"

    def test_an_image_that_cannot_be_read_costs_its_masks_only(self, project, results):
        class Reading(Areas):
            def __call__(self, image, results, found):
                if image.name == "3.png":
                    raise UnreadableImage("3.png: cannot be decoded")
                return super().__call__(image, results, found)

        take(project, results(entry(1), entry(3)), features=Reading())
        (shard,) = finished_shards(current_round(project), Role.POOL)
        assert shard.failures == [{"image": "3.png", "reason": "3.png: cannot be decoded"}]
        assert set(stored(project)) == {"1.png"}


class TestFeatures:
    def test_row_i_belongs_to_entry_i(self, project, results, vectors):
        file = results(entry(3), entry(1, score=0.05), {"bad": 1}, entry(1), entry(3, 3))
        rows = vectors(np.arange(10, dtype=np.float32).reshape(5, 2))
        take(project, file, features=GivenFeatures(rows))
        found = stored(project)
        assert found["1.png"].features["attention"].tolist() == [[6, 7]]
        assert sorted(found["3.png"].features["attention"].tolist()) == [[0, 1], [8, 9]]

    def test_as_many_rows_as_entries_are_wanted(self, project, results, vectors):
        rows = vectors(np.zeros((3, 2), np.float32))
        with pytest.raises(StageFailed, match="3 rows for 2 predictions"):
            take(project, results(entry(), entry(3)), features=GivenFeatures(rows))
        assert not finished_shards(current_round(project), Role.POOL).exists()

    @pytest.mark.parametrize(
        ("array", "why"),
        [
            (np.zeros(5), "shape"),
            (np.zeros((5, 2), int), "int64"),
            (np.zeros((5, 0)), "shape"),
            (np.array([[0.0], [np.nan]]), "row 1 has a value that is not finite"),
            (np.array([[0.0], [1e6]]), "row 1.*scale"),
        ],
    )
    def test_arrays_that_are_no_features_are_refused(self, vectors, array, why):
        with pytest.raises(InvalidFeatures, match=why):
            GivenFeatures(vectors(array))

    def test_so_is_a_file_that_is_no_array(self, tmp_path):
        (tmp_path / "features.npy").write_bytes(b"not numpy")
        with pytest.raises(InvalidFeatures, match=r"features\.npy"):
            GivenFeatures(tmp_path / "features.npy")


class TestComputedFeatures:
    @pytest.fixture
    def painted(self, project, tmp_path):
        for image in Image.objects.filter(project=project):
            fresh = PaintedImageFactory.build(name=image.name, folder=tmp_path, project=project)
            Image.objects.filter(pk=image.pk).update(path=fresh.path)
        return project

    def test_without_vectors_they_are_computed_from_the_images(self, painted, results):
        features = ComputedFeatures(Descriptors())
        take(
            painted,
            results(entry(1), entry(1, 3, segmentation=[[20, 20, 40, 20, 40, 40]])),
            features=features,
        )
        vectors = stored(painted)["1.png"].features["attention"]
        assert vectors.shape == (2, DIMENSIONS)
        assert not np.array_equal(vectors[0], vectors[1])
        assert current_round(painted).feature_source == (
            "results.json; features: mask and crop descriptors, computed from the images"
        )

    def test_an_image_that_is_gone_or_changed_fails_alone(self, painted, results, tmp_path):
        (tmp_path / "1.png").unlink()
        Picture.new("RGB", (9, 9)).save(tmp_path / "3.png")
        file = results(entry(1), entry(3), entry(4))
        take(painted, file, features=ComputedFeatures(Descriptors()))
        (shard,) = finished_shards(current_round(painted), Role.POOL)
        assert [failure["image"] for failure in shard.failures] == ["1.png", "3.png"]
        assert set(stored(painted)) == {"4.png"}

    def test_the_command_says_which(self, painted, results):
        out = StringIO()
        call_command("import_predictions", painted.slug, str(results(entry())), stdout=out)
        assert "computed from the images" in out.getvalue()


class TestRunningAgain:
    def test_the_same_file_changes_nothing(self, project, results):
        file = results(entry())
        take(project, file)
        before = list(current_round(project).shards.values())
        assert take(project, file).run.state == "done"
        assert list(current_round(project).shards.values()) == before

    def test_another_file_is_refused_unless_forced(self, project, results):
        take(project, results(entry(1)))
        other = results(entry(3), name="other.json")
        with pytest.raises(OtherPredictions, match=r"results\.json"):
            take(project, other)
        take(project, other, force=True)
        assert set(stored(project)) == {"3.png"}

    def test_predictions_that_people_judge_cannot_be_replaced(self, project, results):
        file = results(entry(1))
        take(project, file)
        mark_done(current_round(project), StageRun.Stage.OPEN, message="", at=NOON)
        with pytest.raises(RoundIsOpen):
            take(project, file, force=True)

    def test_an_import_that_failed_goes_on_after_its_finished_shards(self, project, results, monkeypatch):
        file, stores = results(entry(1), entry(2), entry(3)), []
        real = foreign_predictions.store_shard

        def failing(shard, *args, **kwargs):
            stores.append(shard.pk)
            if len(stores) == 2:
                raise OSError("No space left on device")
            return real(shard, *args, **kwargs)

        monkeypatch.setattr(foreign_predictions, "store_shard", failing)
        with pytest.raises(StageFailed, match="No space left"):
            take(project, file)
        take(project, file)
        assert len(stores) == 3
        assert set(stored(project)) | set(stored(project, Role.HELDOUT)) == {"1.png", "2.png", "3.png"}

    def test_after_another_file_failed_nothing_of_it_remains(self, project, results, monkeypatch):
        real, stores = foreign_predictions.store_shard, []

        def failing(shard, *args, **kwargs):
            stores.append(shard.pk)
            if len(stores) == 2:
                raise OSError("No space left on device")
            return real(shard, *args, **kwargs)

        monkeypatch.setattr(foreign_predictions, "store_shard", failing)
        with pytest.raises(StageFailed):
            take(project, results(entry(2), entry(1)))
        take(project, results(entry(3), name="other.json"))
        assert (set(stored(project)), set(stored(project, Role.HELDOUT))) == ({"3.png"}, set())


class TestCommand:
    def run(self, *arguments: object) -> str:
        out = StringIO()
        call_command("import_predictions", *map(str, arguments), stdout=out)
        return out.getvalue()

    def test_it_tells_what_came_in_and_which_features(self, project, results, vectors):
        rows = vectors(np.zeros((2, 4), np.float32))
        out = self.run(project.slug, results(entry(), entry(99)), "--features", rows)
        assert "1 masks" in out
        assert "1 × entry of an image that is not there" in out
        assert "features.npy, 4 dimensions" in out
        assert f"manage.py cluster {project.slug}" in out

    def test_what_cannot_be_done_ends_with_a_message(self, project, results, vectors):
        rows = vectors(np.zeros((2, 4), np.float32))
        with pytest.raises(CommandError, match="nobody"):
            self.run("nobody", results(), "--features", rows)
        with pytest.raises(CommandError, match=r"nowhere\.json"):
            self.run(project.slug, "/nowhere.json", "--features", rows)
