"""The paper's experiments at toy size: they write numbers and figures, and keep what holds at any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trees import random_tree, trees

from pipeline.dendrogram import Dendrogram
from pipeline.experiments import clusters, dataset, forecast, hours, parameters, rivals, searching
from pipeline.experiments.__main__ import main
from pipeline.experiments.asked import Asked
from pipeline.experiments.lsun import lsun
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.registry import EXPERIMENTS
from pipeline.experiments.setting import NoData, Setting, real, setting, simulated
from pipeline.experiments.worlds import FeaturesMissing, World

ON_IMAGES = {"dataset"}


@pytest.fixture(scope="module")
def toy() -> Setting:
    return simulated(3_000, seed=1)


def predicted(images: int = 60, objects: int = 8) -> Predicted:
    """Predictions of two categories: half outline their object well, and score higher for it."""
    rng = np.random.default_rng(5)
    n = images * objects
    good = rng.random(n) < 0.5
    categories = np.tile([1, 7], n // 2)
    centres = rng.random((n, 2)).astype(np.float32)
    return Predicted(
        features=rng.standard_normal((n, 4)).astype(np.float32) + 4 * good[:, None].astype(np.float32),
        scores=np.clip(0.4 + 0.4 * good + 0.05 * rng.standard_normal(n), 0, 1).astype(np.float32),
        confidences=np.full(n, 0.9, dtype=np.float32),
        ious=np.where(good, 0.9, 0.3).astype(np.float32),
        categories=categories,
        images=np.repeat(np.arange(images) + 100, objects),
        centres=centres,
        objects=np.arange(n),
        object_categories=categories,
        object_images=np.repeat(np.arange(images) + 100, objects),
        object_centres=centres,
        all_images=np.arange(images + 1) + 100,
    )


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_an_experiment_writes_its_numbers_and_its_figure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "SAMPLES", (5, 10**6))
    monkeypatch.setattr(parameters, "REPEATS", 1)
    monkeypatch.setattr(forecast, "WORLDS", 2)
    monkeypatch.setattr(forecast, "HELD_OUT", 2_000)
    world = "simulated"
    if name in ON_IMAGES:
        world = str(tmp_path / "file.npz")
        predicted().save(Path(world))
    toy = ["--masks", "2000", "--classes", "5", "--processes", "1"]
    main([name, "--world", world, *toy, "--out", str(tmp_path)])
    stem = f"{name}-{Path(world).stem}"
    numbers = json.loads((tmp_path / f"{stem}.json").read_text())
    assert numbers["masks"] > 200
    assert numbers["world"]
    assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")


def test_scores_say_more_of_clusters_than_of_masks(toy: Setting) -> None:
    numbers = clusters.measure(toy)
    assert numbers["correlation_cluster_score_quality"] > numbers["correlation_mask_score_iou"] > 0.3
    assert numbers["p_high"] == tuple(sorted(numbers["p_high"]))


def test_all_orders_end_with_the_same_masks_and_best_first_is_early(toy: Setting) -> None:
    numbers = searching.compare_orders(toy)
    ends = numbers["ends"].values()
    assert len({end["accepted"] for end in ends}) == 1

    def early(name: str) -> float:
        course = numbers["courses"][name]
        return float(np.interp(100, course["clusters"], course["accepted_clusters"]))

    assert early("best_first") > early("breadth_first")
    assert early("oracle") >= 0.8 * early("best_first")


def test_a_higher_k_pa_asks_less_and_finds_less(toy: Setting) -> None:
    ends = searching.compare_selections(toy)["ends"]
    by_k_pa = [ends[k] for k in sorted(ends, key=float) if ends[k]]
    assert [end["clusters"] for end in by_k_pa] == sorted((end["clusters"] for end in by_k_pa), reverse=True)
    assert by_k_pa[-1]["accepted"] <= by_k_pa[0]["accepted"]


def test_more_samples_bring_precision(toy: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "SAMPLES", (5, 10**6))
    monkeypatch.setattr(parameters, "K_AS", (0.85,))
    monkeypatch.setattr(parameters, "K_IOUS", (0.6, 0.75))
    numbers = parameters.measure(toy)
    few, all_of_them = numbers["by_sample"]
    assert all_of_them["precision"] > few["precision"]
    assert all_of_them["precision"] >= 0.85
    if numbers["chosen"]:
        assert numbers["chosen"]["sq"] >= 0.85


def test_score_alone_does_not_reach_what_the_campaign_does(toy: Setting) -> None:
    found = rivals.confidence_baseline(toy)
    assert found["score_alone_quality_at_that_number"] < found["quality"]
    assert found["score_alone_number_at_that_quality"] < found["accepted"]


def test_naive_verification_keeps_all_correct_masks_and_no_other(toy: Setting) -> None:
    course = rivals._naive(toy.world, 0.75)
    assert course["questions"][-1] == 3_000
    assert course["accepted"][-1] == sum(mark.sum() for mark in toy.world.correct(0.75))
    assert course["quality"][-1] >= 0.75


def test_lsun_labels_more_than_it_asks_about_where_features_tell() -> None:
    rng = np.random.default_rng(0)
    tree = random_tree(4_000, rng)
    good = rng.random(4_000) < 0.5
    features = rng.standard_normal((4_000, 4)).astype(np.float32) + 6 * good[:, None]
    world = World((tree,), (np.where(good, 0.9, 0.1).astype(np.float32),), (features,))
    course = lsun(world, k_iou=0.75, rng=rng)
    assert course["accepted"][0] > 0.9 * good.sum()
    assert course["questions"][0] == 400
    assert course["quality"][-1] > 0.85


def test_lsun_needs_features(toy: Setting) -> None:
    bare = World(toy.world.trees, toy.world.ious)
    with pytest.raises(FeaturesMissing, match="keep_features"):
        lsun(bare, k_iou=0.75, rng=np.random.default_rng(0))


@settings(deadline=None)
@given(tree=trees(), count=st.integers(1, 70))
def test_flat_clusters_partition_the_tree_at_one_height(tree: Dendrogram, count: int) -> None:
    nodes = searching.flat_clusters(tree, count)
    assert len(nodes) == min(count, tree.n)
    assert tree.lo[nodes].tolist() == [0, *tree.hi[nodes][:-1].tolist()]
    assert tree.hi[nodes][-1] == tree.n
    if len(nodes) > 1:
        assert tree.height[nodes].max() <= tree.height[tree.parent[nodes]].min()


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="MASKGROVE_DATA"):
        setting(Asked(world="coco480", data=tmp_path))


def test_a_wrong_file_ends_the_command_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "some.npz").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match=r"some\.npz is no file of predictions.*export_predictions"):
        main(["clusters", "--world", str(tmp_path / "some.npz"), "--out", str(tmp_path)])


def test_mixtures_are_fitted_on_any_predictions(tmp_path: Path) -> None:
    predicted().save(tmp_path / "file.npz")
    main(["fit", "--world", str(tmp_path / "file.npz"), "--model", str(tmp_path / "model.npz")])
    main(["clusters", "--model", str(tmp_path / "model.npz"), "--masks", "500", "--out", str(tmp_path)])
    assert json.loads((tmp_path / "clusters-simulated.json").read_text())["masks"] == 500


@pytest.fixture(scope="module")
def on_images() -> Setting:
    return real("made", predicted(), seed=0)


def test_half_of_the_images_is_searched_and_the_other_half_calibrates(on_images: Setting) -> None:
    assert on_images.searched is not None
    assert len(on_images.searched.all_images) == 30
    assert on_images.world.masks == len(on_images.searched)
    assert on_images.world.masks + on_images.held_out.masks == 480
    assert on_images.drawn == on_images.held_out.masks


def test_the_numbers_of_a_dataset_follow_from_its_accepted_masks(on_images: Setting) -> None:
    numbers = dataset.measure(on_images)
    assert on_images.searched is not None
    right = int((on_images.searched.ious >= 0.75).sum())
    for way in numbers["ways"].values():
        assert way["sq"] == pytest.approx(0.9, abs=1e-6)
        assert way["accepted"] <= right / 0.75
        assert way["coverage"] == pytest.approx(way["matched"] / numbers["objects"])
        assert sum(way["density"]) == numbers["images"]
        assert sum(way["classes"].values()) == way["accepted"]
        assert np.sum(way["centres"]) == pytest.approx(1, abs=1e-3)
        assert way["speed_up_without_initial"] == pytest.approx(
            way["accepted"] * 80 / (way["questions"] * 1.4)
        )
    asked_of_all = numbers["ways"]["paper"]
    assert asked_of_all["accepted"] >= 0.9 * right
    assert asked_of_all["masks_per_image"] == pytest.approx(asked_of_all["accepted"] / numbers["images"])


def test_an_object_found_twice_is_matched_once(on_images: Setting) -> None:
    shown = on_images.searched
    assert shown is not None
    good = np.flatnonzero(shown.ious > 0.75)[:3]
    found = dataset.tally_of(shown, np.concatenate([good, good]), on_images.thresholds)
    assert (found.accepted, found.matched) == (6, 3)
    assert found.sq == pytest.approx(0.9, abs=1e-6)


def test_simulated_masks_lie_on_no_images(toy: Setting) -> None:
    with pytest.raises(NoData, match="lie on no images"):
        dataset.measure(toy)


def test_hours_start_with_the_initial_set_and_drawing_takes_as_many(on_images: Setting) -> None:
    numbers = hours.measure(on_images)
    assert numbers["initial_hours"] == pytest.approx(on_images.drawn * 80 / 3600)
    papers = numbers["methods"]["paper"]
    assert papers["hours"][0] > numbers["initial_hours"]
    assert numbers["drawing"]["hours"][-1] >= papers["hours"][-1] - 1e-9
    assert numbers["drawing"]["accepted"][0] == pytest.approx(on_images.drawn)
    assert numbers["corrective clicks"]["accepted"][0] == pytest.approx(2 * on_images.drawn)
