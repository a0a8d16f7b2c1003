"""Possible truths: chances kept, clusters right or wrong together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trees import random_tree_of_halves, trees

from pipeline.dendrogram import Dendrogram
from pipeline.imagining import cohesion_of, imagine

TREE = random_tree_of_halves(np.full(1024, 0.5))


def imagined(chance: float, cohesion: float, *, draws: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([imagine(TREE, np.full(1024, chance), cohesion=cohesion, rng=rng) for _ in range(draws)])


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.85])
@pytest.mark.parametrize("cohesion", [0.0, 0.1, 0.5])
def test_every_mask_keeps_its_chance(chance: float, cohesion: float) -> None:
    assert imagined(chance, cohesion).mean() == pytest.approx(chance, abs=0.04)


def test_with_cohesion_masks_of_a_cluster_are_right_or_wrong_together() -> None:
    spreads = [imagined(0.5, cohesion)[:, :32].mean(axis=1).std() for cohesion in (0.0, 0.1, 0.5)]
    assert spreads[0] == pytest.approx(0.5 / np.sqrt(32), rel=0.2)
    assert spreads[0] < spreads[1] < spreads[2]


def test_masks_far_apart_agree_less_than_neighbours() -> None:
    truths = imagined(0.5, 0.5, draws=600).astype(float)
    neighbours = np.corrcoef(truths[:, 0], truths[:, 1])[0, 1]
    strangers = np.corrcoef(truths[:, 0], truths[:, 1000])[0, 1]
    assert neighbours > 0.3
    assert abs(strangers) < 0.15


@settings(deadline=None)
@given(tree=trees(), cohesion=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 9))
def test_certain_masks_stay_certain_in_any_tree(tree: Dendrogram, cohesion: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert imagine(tree, np.ones(tree.n), cohesion=cohesion, rng=rng).all()
    assert not imagine(tree, np.zeros(tree.n), cohesion=cohesion, rng=rng).any()


@pytest.mark.parametrize("planted", [0.0, 0.1, 0.3])
def test_the_cohesion_of_a_truth_is_found_again(planted: float) -> None:
    rng = np.random.default_rng(1)
    chances = [np.full(1024, 0.5)] * 40
    truths = [imagine(TREE, chance, cohesion=planted, rng=rng) for chance in chances]
    found = cohesion_of([TREE] * 40, chances, truths, smallest=5, rng=rng)
    assert found == pytest.approx(planted, abs=0.03 + 0.4 * planted)


def test_no_trees_have_no_cohesion() -> None:
    assert cohesion_of([], [], [], smallest=5, rng=np.random.default_rng(0)) == 0
