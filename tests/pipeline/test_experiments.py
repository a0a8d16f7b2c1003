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
from pipeline.experiments import clusters, parameters, rivals, searching
from pipeline.experiments.__main__ import EXPERIMENTS, main
from pipeline.experiments.lsun import lsun
from pipeline.experiments.setting import NoData, Setting, coco480, simulated
from pipeline.experiments.worlds import FeaturesMissing, World


@pytest.fixture(scope="module")
def toy() -> Setting:
    return simulated(3_000, seed=1)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "parameters"])
def test_an_experiment_writes_its_numbers_and_its_figure(
    name: str, tmp_path: Path, toy: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.experiments.__main__._setting", lambda asked: toy)
    main([name, "--out", str(tmp_path)])
    numbers = json.loads((tmp_path / f"{name}-simulated.json").read_text())
    assert numbers["masks"] == 3_000
    assert (tmp_path / f"{name}-simulated.png").read_bytes().startswith(b"\x89PNG")


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
        coco480(data=tmp_path, cache=tmp_path, seed=0)
