"""What every K_pa would bring, against the plan that runs the search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calibration import Calibration, calibrate
from pipeline.decisions import RULES, Thresholds
from pipeline.outlook import GRID, Outlook, outlook
from pipeline.planning import plan
from tests.pipeline.made_trees import random_tree, random_tree_of_halves


def known(seed: int = 2, clusters: int = 64) -> tuple[np.ndarray, Calibration]:
    """Scores of clusters of 32 masks, and what held-out clusters of the same kind teach."""
    rng = np.random.default_rng(seed)
    quality = np.repeat(rng.random(clusters), 32)
    correct = rng.random(len(quality)) < quality
    return quality, calibrate([(random_tree_of_halves(quality), correct)], Thresholds())


def at(found: Outlook, k_pa: float) -> tuple[float, float]:
    place = int(np.argmin(np.abs(GRID - k_pa)))
    return float(found.questions[place]), float(found.accepted[place])


@pytest.mark.parametrize("rule", ["paper", "curtailed", "sequential"])
def test_it_comes_near_what_imagined_campaigns_bring(rule: str) -> None:
    quality, calibration = known()
    tree = random_tree_of_halves(quality)
    found = outlook(tree, calibration, Thresholds(), rule=rule, rng=np.random.default_rng(0))
    for k_pa in (0.3, 0.6):
        thresholds = replace(Thresholds(), k_pa=k_pa)
        planned = plan([tree], calibration, thresholds, rng=np.random.default_rng(1), rule=rule, draws=8)
        questions, accepted = at(found, k_pa)
        assert questions == pytest.approx(planned.questions[-1], rel=0.3)
        assert accepted == pytest.approx(planned.accepted[-1], rel=0.2)


def test_nothing_opens_above_all_scores() -> None:
    quality, calibration = known()
    found = outlook(
        random_tree_of_halves(quality * 0.5), calibration, Thresholds(), rule="curtailed",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert at(found, 0.5) == (0, 0)
    assert np.isnan(found.precision[-1])
    assert found.clusters[0] > 0


def test_a_tree_too_small_to_ask_about_brings_nothing() -> None:
    _, calibration = known()
    tree = random_tree_of_halves(np.full(8, 0.9))
    found = outlook(tree, calibration, Thresholds(), rule="curtailed", rng=np.random.default_rng(0))
    assert not found.questions.any()


def test_outlooks_of_trees_add_up() -> None:
    quality, calibration = known(clusters=16)
    one = outlook(
        random_tree_of_halves(quality), calibration, Thresholds(), rule="curtailed",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    both = one + one
    assert both.accepted == pytest.approx(2 * one.accepted)
    assert both.precision == pytest.approx(one.precision, nan_ok=True)


@given(
    n=st.integers(15, 300),
    seed=st.integers(0, 2**32),
    chained=st.sampled_from([0.0, 0.5, 1.0]),
    smallest=st.sampled_from([1, 5, None]),
    rule=st.sampled_from(sorted(RULES)),
)
@settings(max_examples=40)
def test_no_more_masks_are_accepted_than_there_are_and_questions_are_no_debt(
    n: int, seed: int, chained: float, smallest: int | None, rule: str
) -> None:
    rng = np.random.default_rng(seed)
    tree = random_tree(n, rng, chained=chained)
    _, calibration = known(clusters=16)
    found = outlook(tree, calibration, Thresholds(min_size=smallest), rule=rule, rng=rng)
    assert (found.accepted <= n + 1e-6).all()
    assert (found.correct <= found.accepted + 1e-6).all()
    assert min(found.questions.min(), found.correct.min(), found.clusters.min()) >= 0
