"""Predictions become trees whose masks lie in the database in leaf order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from annotation_site import enqueue
from annotation_site.catalog import clustering, planting
from annotation_site.catalog.calibrating import calibrate_round, leaf_ious
from annotation_site.catalog.clustering import cluster, tree_seed
from annotation_site.catalog.detecting import detect
from annotation_site.catalog.discarding import discard_trees
from annotation_site.catalog.gathering import FeaturesMissing, ShardIndex, gathered
from annotation_site.catalog.models import Annotation, Mask, Project, Role, Round, StageRun, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import images_of, plan_shards, store_shard, unfinished_shards
from annotation_site.catalog.stages import Stage, State, mark_done, run_stage
from annotation_site.catalog.training import train
from pipeline import masks
from pipeline.dendrogram import Dendrogram
from pipeline.linkage.partitioned import cluster_if_pending
from pipeline.predictions import Predictions
from pipeline.progress import StopRequested, silent
from pipeline.sampling import leaf_keys
from tests import factories
from tests.factories import NOON
from tests.site.painted_projects import SIDE, painted_project
from workers.tasks import cluster_bucket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def detected(tmp_path: Path) -> Round:
    round_ = current_round(painted_project(tmp_path))
    run_stage(round_, Stage.TRAIN, lambda report: train(round_, report))
    run_stage(round_, Stage.DETECT, lambda report: detect(round_, report, shard_images=4))
    return round_


def predicted(rng: np.random.Generator, count: int, *, category: int = 7) -> Predictions:
    """Random rectangles with random scores and features."""
    corners = rng.integers(1, 40, (count, 2))
    return Predictions(
        categories=np.full(count, category, np.int32),
        boxes=np.hstack([corners, np.full((count, 2), 12)]).astype(np.float32),
        class_scores=rng.random(count, np.float32),
        predicted_ious=rng.random(count, np.float32),
        masks=[
            {"size": [SIDE, SIDE], "counts": factories.rectangle(int(x), int(y), 12, 12, size=(SIDE, SIDE))}
            for x, y in corners
        ],
        features={"attention": rng.random((count, 5)).astype(np.float16)},
    )


def imported(project: Project, *, each: int = 6, seed: int = 0, shard_images: int = 2) -> Round:
    """A round whose shards hold `each` masks of category 7 on every image."""
    round_, rng = current_round(project), np.random.default_rng(seed)
    for role in (Role.HELDOUT, Role.POOL):
        plan_shards(round_, role, size=shard_images)
    for shard in unfinished_shards(round_):
        store_shard(shard, {image.pk: predicted(rng, each) for image in images_of(shard)}, at=NOON)
    mark_done(round_, Stage.DETECT, message="imported", at=NOON)
    return round_


def everything(round_: Round) -> list[tuple[object, ...]]:
    """All that clustering stores, but for the keys of the rows."""
    trees = round_.trees.order_by("role", "category").values_list("category", "role", "n", "seed", "packed")
    leaves = Mask.objects.filter(tree__round=round_).order_by("tree__role", "tree__category", "position")
    stored = leaves.values_list("tree__category", "position", "image", "x", "counts", "score", "iou")
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in (*trees, *stored)]


def test_every_predicted_mask_is_a_leaf_of_its_categorys_tree(detected: Round) -> None:
    run = run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    predicted_masks = sum(shard.masks for shard in detected.shards.all())
    assert run.done == run.total == predicted_masks == Mask.objects.count()
    assert {(t.category.coco_id, t.role) for t in detected.trees.all()} == {
        (7, "pool"), (8, "pool"), (7, "heldout"), (8, "heldout"),
    }  # fmt: skip
    for tree in detected.trees.all():
        stored = Mask.objects.filter(tree=tree).order_by("position")
        assert [mask.position for mask in stored] == list(range(tree.n))
        assert set(stored.values_list("image__role", flat=True)) == {tree.role}


def test_masks_lie_in_leaf_order_with_all_they_had(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))
    cluster(round_, silent)
    tree = round_.trees.get()
    dendrogram = Dendrogram.from_bytes(tree.packed)
    with gathered(ShardIndex.of(round_, Role.POOL), 7, feature="attention") as rows:
        for mask in Mask.objects.filter(tree=tree):
            row = int(dendrogram.order[mask.position])
            assert mask.image_id == rows.images[row]
            assert mask.box == tuple(rows.boxes[row].tolist())
            assert [mask.rle] == rows.rles(np.array([row]))
            assert mask.class_score == rows.class_scores[row]
            assert mask.predicted_iou == rows.predicted_ious[row]
            assert mask.score == rows.scores[row]
            np.testing.assert_array_equal(masks.decode(mask.rle).sum(), 144)
    assert np.diff(dendrogram.score_sum) == pytest.approx(
        list(Mask.objects.order_by("position").values_list("score", flat=True))
    )


def test_the_truth_of_pool_images_is_never_looked_at(detected: Round) -> None:
    cluster(detected, silent)
    assert Annotation.objects.filter(image__role=Role.POOL).exists()
    assert set(Mask.objects.filter(tree__role=Role.POOL).values_list("iou", flat=True)) == {None}


def test_heldout_masks_know_their_iou_with_the_best_object_of_their_category(detected: Round) -> None:
    cluster(detected, silent)
    for mask in Mask.objects.filter(tree__role=Role.HELDOUT).select_related("image", "tree"):
        truth = Annotation.objects.filter(image=mask.image, category=mask.tree.category_id)
        best = masks.iou([mask.rle], [a.rle for a in truth]).max(initial=0.0)
        assert mask.iou == pytest.approx(best)
    assert Mask.objects.filter(iou__gte=0.75).exists()


def test_heldout_masks_in_a_crowd_region_are_left_out(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.HELDOUT: 2, Role.POOL: 1})
    Annotation.objects.all().delete()
    crowded, other = project.images.filter(role=Role.HELDOUT)
    factories.AnnotationFactory(
        image=crowded, category=project.categories.get(coco_id=7), x=0, y=0, width=SIDE, height=SIDE,
        is_crowd=True,
    )  # fmt: skip
    round_ = imported(project)
    cluster(round_, silent)
    heldout = Mask.objects.filter(tree__role=Role.HELDOUT)
    assert set(heldout.values_list("image", "iou")) == {(other.pk, 0.0)}
    assert round_.trees.get(role=Role.HELDOUT).n == 6


def test_clustering_again_changes_nothing(detected: Round) -> None:
    cluster(detected, silent)
    before, keys = everything(detected), set(Mask.objects.values_list("id", flat=True))
    cluster(detected, silent)
    assert everything(detected) == before
    assert set(Mask.objects.values_list("id", flat=True)) == keys


def test_clustering_afresh_gives_the_same_trees(detected: Round) -> None:
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    before = everything(detected)
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report), force=True)
    assert everything(detected) == before


def test_a_category_is_planted_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(planting, "REPORT_EVERY", 5)
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))

    def stop(done: int, total: int, message: str = "") -> None:
        if 10 < done < total:
            raise StopRequested

    with pytest.raises(StopRequested):
        cluster(round_, stop)
    assert (Tree.objects.count(), Mask.objects.count()) == (0, 0)
    cluster(round_, silent)
    assert (Tree.objects.count(), Mask.objects.count()) == (1, 30)


def test_a_single_mask_is_a_tree(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 1}), each=1)
    cluster(round_, silent)
    assert Dendrogram.from_bytes(round_.trees.get().packed).n == 1


def test_seeds_differ_between_trees_and_depend_on_the_project_alone(tmp_path: Path) -> None:
    project = painted_project(tmp_path, seed=5)
    round_ = current_round(project)
    brick, slate = project.categories.all()
    seeds = {tree_seed(round_, c, role) for c in (brick, slate) for role in (Role.POOL, Role.HELDOUT)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 and len(leaf_keys(3, seed=seed)) == 3 for seed in seeds)
    twin = current_round(painted_project(tmp_path, seed=5))
    assert tree_seed(twin, brick, Role.POOL) == tree_seed(round_, brick, Role.POOL)


def test_features_that_are_not_there_are_named(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 1}, feature="backbone"))
    with pytest.raises(FeaturesMissing, match="no 'backbone' features but attention"):
        cluster(round_, silent)


def test_nothing_predicted_on_the_pool_says_what_to_do(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.HELDOUT: 1, Role.POOL: 1}, confidence=1.0)
    with pytest.raises(clustering.NothingToCluster, match="lower the project's confidence"):
        cluster(imported(project), silent)


def test_gathering_keeps_what_is_large_in_files(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 4}))
    with gathered(ShardIndex.of(round_, Role.POOL), 7, feature="attention") as rows:
        assert isinstance(rows.features, np.memmap)
        assert isinstance(rows.counts, np.memmap)
        assert rows.features.shape == (24, 5)
        in_memory = rows.images.nbytes + rows.boxes.nbytes + rows.sizes.nbytes + rows.class_scores.nbytes
        assert (in_memory + rows.predicted_ious.nbytes + rows.count_starts.nbytes) / len(rows) < 50


def test_rows_left_out_leave_the_others_as_they_were(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 2}))
    with gathered(ShardIndex.of(round_, Role.POOL), 7, feature="attention") as rows:
        out = np.arange(len(rows)) % 3 == 1
        kept = rows.without(out)
        assert kept.rles(np.arange(len(kept))) == rows.rles(np.flatnonzero(~out))
        np.testing.assert_array_equal(kept.features, rows.features[~out])
        assert rows.without(np.zeros(len(rows), bool)) is rows


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for exact trees."""
    monkeypatch.setattr("pipeline.linkage.exact_limit", lambda **_: 10)


@pytest.mark.usefixtures("in_pieces")
def test_other_workers_may_do_the_pieces_of_a_large_tree(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))
    run = StageRun.objects.create(round=round_, stage=Stage.CLUSTER, state=State.RUNNING)
    done: list[bool] = []

    def others(folder: Path, buckets: Sequence[int]) -> None:
        assert folder.is_relative_to(tmp_path / "artifacts")
        for bucket in buckets:
            cluster_bucket(round_.pk, str(folder), bucket)
            done.append(not cluster_if_pending(folder, bucket))

    cluster(round_, silent, share=others)
    shared = everything(round_)
    assert done
    assert all(done)
    assert not list((tmp_path / "artifacts").rglob("partition.npz"))
    discard_trees(round_)
    run.delete()
    cluster(round_, silent)
    assert everything(round_) == shared


@pytest.mark.usefixtures("in_pieces")
def test_a_call_for_pieces_of_a_tree_that_is_not_wanted_any_more_is_passed_over(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))
    StageRun.objects.create(round=round_, stage=Stage.CLUSTER, state=State.STOPPED)

    def others(folder: Path, buckets: Sequence[int]) -> None:
        cluster_bucket(round_.pk, str(folder), buckets[0])
        assert cluster_if_pending(folder, buckets[0])

    cluster(round_, silent, share=others)


@pytest.mark.usefixtures("in_pieces")
def test_a_large_tree_goes_on_with_the_pieces_it_was_stopped_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))

    def stop_after_a_piece(done: int, total: int, message: str = "") -> None:
        if message.startswith("Clustering buckets"):
            raise StopRequested

    with pytest.raises(StopRequested):
        cluster(round_, stop_after_a_piece)
    assert list((tmp_path / "artifacts").rglob("trees/0-*.npz"))
    monkeypatch.setattr("pipeline.linkage.partitioned.cluster_bucket", None)
    cluster(round_, silent)
    assert round_.trees.get().n == 30


@pytest.mark.usefixtures("in_pieces")
def test_pieces_that_were_made_otherwise_are_made_anew(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))

    def break_off(folder: Path, buckets: Sequence[int]) -> None:
        raise StopRequested

    with pytest.raises(StopRequested):
        cluster(round_, silent, share=break_off)
    Project.objects.update(linkage="ward")
    round_ = Round.objects.get(pk=round_.pk)
    cluster(round_, silent)
    assert round_.trees.get().linkage == "ward"


@pytest.mark.usefixtures("in_pieces")
def test_discarding_trees_discards_the_pieces_of_unfinished_ones(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 5}))

    def break_off(folder: Path, buckets: Sequence[int]) -> None:
        raise StopRequested

    with pytest.raises(StopRequested):
        cluster(round_, silent, share=break_off)
    assert list((tmp_path / "artifacts").rglob("partition.npz"))
    discard_trees(round_)
    assert not list((tmp_path / "artifacts").rglob("partition.npz"))


def test_pieces_are_offered_by_a_message_each_to_the_queue_of_clustering(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        enqueue, "_send", lambda task, arguments, **options: sent.append((task, arguments, options["queue"]))
    )
    enqueue.share_buckets(Round(pk=7), Path("/somewhere"), [3, 1])
    assert sent == [
        ("maskgrove.cluster_bucket", (7, "/somewhere", 3), "cpu"),
        ("maskgrove.cluster_bucket", (7, "/somewhere", 1), "cpu"),
    ]


def calibrated(round_: Round) -> tuple[Round, str, dict[str, object]]:
    run = run_stage(round_, Stage.CALIBRATE, lambda report: calibrate_round(round_, report))
    round_.refresh_from_db()
    return round_, run.message, run.detail


def test_too_little_to_calibrate_on_keeps_the_papers_threshold_and_says_so(detected: Round) -> None:
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    round_, message, detail = calibrated(detected)
    assert round_.k_pa == 0.7
    assert "Annotate more held-out images" in message
    assert "Annotate more held-out images" in detail["warning"]


def test_no_heldout_images_at_all_is_no_error(tmp_path: Path) -> None:
    round_ = imported(painted_project(tmp_path, images={Role.POOL: 3}))
    run_stage(round_, Stage.CLUSTER, lambda report: cluster(round_, report))
    assert calibrated(round_)[0].k_pa == 0.7


def test_k_pa_is_calibrated_on_the_heldout_trees(tmp_path: Path) -> None:
    """Scores equal to the IoU: clusters of high quality begin high up, and so does K_pa."""
    project = painted_project(tmp_path, images={Role.HELDOUT: 60, Role.POOL: 1})
    round_ = imported(project, each=8)
    run_stage(round_, Stage.CLUSTER, lambda report: cluster(round_, report))
    tree = round_.trees.get(role=Role.HELDOUT)
    Mask.objects.filter(tree=tree).update(iou=0.0)
    Mask.objects.filter(tree=tree, position__lt=tree.n // 2).update(iou=0.9)
    assert (leaf_ious(tree) >= 0.75).sum() == tree.n // 2
    found, message, detail = calibrated(round_)
    assert found.calibration["k_pa"] == found.k_pa
    assert sum(found.calibration["nodes"]) > 100
    assert detail["warning"] == ""
    assert "calibrated on held-out images" in message


def test_a_threshold_of_the_projects_own_is_used_as_it_is(detected: Round) -> None:
    Project.objects.update(k_pa=0.4)
    detected.project.refresh_from_db()
    run_stage(detected, Stage.CLUSTER, lambda report: cluster(detected, report))
    round_, message, detail = calibrated(detected)
    assert (round_.k_pa, round_.calibration["k_pa"]) == (0.4, 0.7)
    assert "as the project has it" in message
    assert detail["warning"] == ""
