"""Likelihoods of quality by score, and K_pa, from held-out trees."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from made_trees import random_tree, sorted_tree

from pipeline.calibration import Calibration, _rising, calibrate
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram

PAPERS = Thresholds()


def correct_from(tree: Dendrogram, cut: float) -> np.ndarray:
    """Masks are correct when their score reaches `cut`."""
    return np.diff(tree.score_sum) >= cut


def held_out(cut: float, *, trees: int = 4, seed: int = 0) -> list[tuple[Dendrogram, np.ndarray]]:
    rng = np.random.default_rng(seed)
    grown = [sorted_tree(rng.random(400)) for _ in range(trees)]
    return [(tree, correct_from(tree, cut)) for tree in grown]


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7])
def test_k_pa_lies_just_under_the_scores_of_good_clusters(cut: float) -> None:
    calibration = calibrate(held_out(cut), PAPERS)
    assert not calibration.warning
    assert cut - 0.15 <= calibration.k_pa <= cut + 0.05


def test_hardly_any_good_cluster_is_lost_below_k_pa() -> None:
    trees = held_out(0.6, seed=3)
    calibration = calibrate(trees, PAPERS)
    high = lost = 0
    for tree, correct in trees:
        for node in np.flatnonzero(tree.hi - tree.lo >= 5):
            good = correct[tree.lo[node] : tree.hi[node]].mean() >= 0.85
            high += good
            lost += good and tree.mean(node) < calibration.k_pa
    assert lost <= 0.05 * high


def test_likelihoods_go_from_one_to_the_other_with_the_score() -> None:
    calibration = calibrate(held_out(0.5), PAPERS)
    scores = np.array([0.1, 0.9])
    assert calibration.high(scores).tolist() == [0, 1]
    assert calibration.low(scores).tolist() == [1, 0]
    assert calibration.expected_quality(scores).tolist() == [0, 1]


def test_counts_are_those_of_nodes_large_enough() -> None:
    tree = random_tree(50, np.random.default_rng(1))
    calibration = calibrate([(tree, np.ones(50, bool))], PAPERS, smallest=7)
    assert sum(calibration.nodes) == np.count_nonzero(tree.hi - tree.lo >= 7)


@pytest.mark.parametrize("cut", [0.5, 2.0])
def test_too_little_data_falls_back_to_the_paper_and_says_so(cut: float) -> None:
    few = held_out(cut, trees=1 if cut < 1 else 4)
    calibration = calibrate(
        [(random_tree(9, np.random.default_rng(0)), np.ones(9, bool))] if cut < 1 else few, PAPERS
    )
    assert calibration.k_pa == 0.7
    assert "held-out clusters" in calibration.warning
    assert "Annotate more held-out images" in calibration.warning


def test_no_trees_at_all_fall_back_too() -> None:
    calibration = calibrate([], PAPERS)
    assert calibration.k_pa == 0.7
    assert calibration.warning.startswith("Only 0 held-out clusters")


def test_a_model_whose_masks_are_all_correct_asks_from_the_root() -> None:
    assert calibrate(held_out(0.0), PAPERS).k_pa < 0.1


def test_a_weak_model_still_gets_a_threshold_that_its_good_clusters_pass() -> None:
    trees = held_out(0.97, trees=12)
    calibration = calibrate(trees, PAPERS)
    best = max(float(tree.mean(np.flatnonzero(tree.hi - tree.lo >= 5)).max()) for tree, _ in trees)
    assert not calibration.warning
    assert calibration.k_pa < best


def test_marks_that_do_not_fit_the_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="50 masks came with 49 marks"):
        calibrate([(random_tree(50, np.random.default_rng(1)), np.ones(49, bool))], PAPERS)


def test_json_and_back_is_the_same() -> None:
    calibration = calibrate(held_out(0.5), PAPERS)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


counts = arrays.arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 20))


@settings(deadline=None)
@given(weights=counts, data=st.data())
def test_smoothed_likelihoods_rise_and_keep_the_total(weights: np.ndarray, data: st.DataObject) -> None:
    highs = np.array([data.draw(st.integers(0, int(w))) for w in weights], dtype=float)
    means = np.array(_rising(highs, weights))
    assert len(means) == len(weights)
    assert (np.diff(means) >= -1e-12).all()
    assert ((means >= 0) & (means <= 1)).all()
    assert (means * weights).sum() == pytest.approx(highs.sum())


def test_smoothing_leaves_what_rises_already() -> None:
    assert _rising(np.array([0.0, 1, 4]), np.array([4, 4, 4])) == (0, 0.25, 1)
