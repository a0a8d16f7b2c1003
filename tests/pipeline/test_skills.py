"""Workers' accuracies and the truth, estimated from each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.skills import LEAST, MOST, Estimate, Prior, Skill, estimate

# Forty masks with four answers each of six workers, "2y": worker 2 says yes. What crowd-kit makes of them
# (crowd-kit 1.4.2, DawidSkene(n_iter=100, tol=-inf)): the chances of yes, and how often each worker is right.
ANSWERS = (
    "2y5n3n4n4y2n5n1n4n0y3y2n4n3y5y2n0y4n1y2n2y5y0y4y1n0n2n5y4n3y1y5y4n2y5y3n5n4n2n0n2y4n0y1y5y3y1n0y0y3y1y"
    "5y5y2y4n1y3y4n0y2n2y1y0y4y0y2y3y4y4n0n2n1n0y1y5y4y0y5y3n2y2n1y3n0n1n3n0n5y5y2n1n3n4n3n2y1n3y0y2n5n4n3n"
    "2n0n5y0n2n1n4y0n2y3n0y1y5y2y4y2n5n1y0n3n5y1n0y3n1n5y2n5y1n0n5n0y1y4n3y1y5n4n3y0y5y2n4y5y1y2n1n2n4n3n1n"
    "3y5n0y0n2n1n4n"
)
CHANCES = [
    0.0687, 0.3976, 1.0, 1.0, 0.9763, 0.9576, 0.0, 1.0, 0.0388, 0.0, 0.9858, 1.0, 1.0, 0.8902, 1.0, 0.9955,
    1.0, 0.0, 0.9926, 0.2882, 0.0, 0.0, 0.0064, 0.0092, 1.0, 0.0, 0.0, 0.0, 0.9879, 0.9657, 0.0, 0.0534, 0.0,
    0.9871, 1.0, 1.0, 0.9391, 0.0055, 1.0, 0.0,
]  # fmt: skip
SENSITIVITY = [1.0, 0.8258, 0.4287, 0.959, 0.4108, 0.652]
SPECIFICITY = [0.861, 0.9001, 0.6915, 1.0, 0.8211, 0.2259]


def test_without_gold_and_prior_it_is_dawid_and_skenes_model_as_crowd_kit_computes_it() -> None:
    workers = np.array([int(answer) for answer in ANSWERS[::2]])
    says = np.array([answer == "y" for answer in ANSWERS[1::2]])
    masks = np.repeat(np.arange(40), 4)
    found = estimate(masks, workers, says, known=np.full(40, -1, dtype=np.int8), prior=Prior(0, 0))
    assert found.correct == pytest.approx(CHANCES, abs=1e-3)
    assert found.sensitivity == pytest.approx(SENSITIVITY, abs=1e-3)
    assert found.specificity == pytest.approx(SPECIFICITY, abs=1e-3)


def crowd(
    skills: list[tuple[float, float]], *, masks: int, gold: int, votes: int, seed: int = 1
) -> tuple[Estimate, np.ndarray]:
    """What is estimated of workers whose skills are known, and what is right; the first masks are gold."""
    rng = np.random.default_rng(seed)
    correct = rng.random(masks) < np.where(np.arange(masks) // 20 % 2, 0.95, 0.1)
    asked = np.repeat(np.arange(masks), votes)
    workers = np.concatenate([rng.permutation(len(skills))[:votes] for _ in range(masks)])
    accuracy = np.where(correct[asked], *np.array(skills).T[:, workers])
    says = np.where(rng.random(len(asked)) < accuracy, correct[asked], ~correct[asked])
    known = np.where(np.arange(masks) < gold, correct, -1).astype(np.int8)
    return estimate(asked, workers, says, known=known, groups=np.arange(masks) // 20), correct


def test_single_answers_tell_good_workers_from_bad_ones_by_the_clusters_they_share() -> None:
    skills = [(0.95, 0.95)] * 6 + [(0.5, 0.5), (0.99, 0.02)]
    found, _ = crowd(skills, masks=2400, gold=100, votes=1)
    assert found.sensitivity[:6].min() > 0.88
    assert found.specificity[:6].min() > 0.88
    assert found.sensitivity[6] < 0.7
    assert found.specificity[7] < 0.3


def test_chances_are_nearer_to_the_truth_than_a_majority_is() -> None:
    found, correct = crowd([(0.97, 0.97), (0.65, 0.6), (0.6, 0.65)], masks=600, gold=60, votes=3)
    assert ((found.correct > 0.5) == correct)[60:].mean() > 0.95


def test_gold_is_as_known_whatever_is_said_of_it() -> None:
    masks, says = np.zeros(3, dtype=int), np.zeros(3, dtype=bool)
    found = estimate(masks, np.arange(3), says, known=np.array([1], dtype=np.int8))
    assert found.correct.tolist() == [1.0]
    assert (found.sensitivity == 9 / 11).all()
    assert (found.specificity == 9 / 10).all()


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=40),
    st.lists(st.sampled_from([-1, 0, 1]), min_size=6, max_size=6),
)
def test_whatever_is_answered_chances_are_chances_and_weights_are_finite(
    answers: list[tuple[int, int, bool]], known: list[int]
) -> None:
    masks, workers, says = (np.array(column) for column in zip(*answers, strict=True)) if answers else (
        np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros(0, dtype=bool)
    )  # fmt: skip
    groups = np.arange(6) // 2
    found = estimate(masks, workers, says.astype(bool), known=np.array(known, dtype=np.int8), groups=groups)
    assert ((found.correct >= 0) & (found.correct <= 1)).all()
    for worker in range(len(found.sensitivity)):
        skill = found.skill(worker)
        assert LEAST <= skill.sensitivity <= MOST
        assert np.isfinite([skill.weight(True), skill.weight(False)]).all()


def test_a_coin_weighs_nothing() -> None:
    assert Skill(0.5, 0.5).weight(True) == Skill(0.5, 0.5).weight(False) == 0
