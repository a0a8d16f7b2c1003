"""What a campaign will bring, against what it brings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration import Calibration
from pipeline.decisions import DEFAULT_RULE, Thresholds
from pipeline.experiments.triplets import SHIPPED, TripletModel
from pipeline.experiments.worlds import World, grow, run
from pipeline.planning import Plan, outlook, plan
from pipeline.strategies import DEFAULT_STRATEGY

MODEL = TripletModel.load(SHIPPED)


def world_and_calibration(masks: int = 8_000, *, k_a: float = 0.85) -> tuple[World, Calibration, Thresholds]:
    held_out = grow(MODEL.sample(6_000, seed=77))
    calibration, thresholds = held_out.calibrated(Thresholds(k_a=k_a))
    return grow(MODEL.sample(masks, seed=3)), calibration, thresholds


@pytest.mark.parametrize(
    ("rule", "strategy", "k_a"), [("curtailed", "best_first", 0.85), (DEFAULT_RULE, DEFAULT_STRATEGY, 0.77)]
)
def test_the_plan_comes_near_what_the_campaign_brings(rule: str, strategy: str, k_a: float) -> None:
    world, calibration, thresholds = world_and_calibration(k_a=k_a)
    how = {"rule": rule, "strategy": strategy}
    planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng(0), draws=12, **how)
    courses = [run(world, thresholds, calibration=calibration, seed=seed, **how) for seed in range(4)]
    accepted = np.mean([course.accepted[-1] for course in courses])
    questions = np.mean([course.questions[-1] for course in courses])
    assert planned.accepted[-1] == pytest.approx(accepted, rel=0.5)
    assert planned.questions[-1] == pytest.approx(questions, rel=0.6)
    assert 0.7 < planned.precision[-1] < 0.95


def test_plans_grow_with_the_questions_and_stay_within_their_band() -> None:
    world, calibration, thresholds = world_and_calibration(4_000)
    planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng(0), draws=5)
    assert planned.questions[0] == 0
    assert planned.accepted[0] == 0
    assert (np.diff(planned.questions) > 0).all()
    assert (np.diff(planned.accepted) >= 0).all()
    assert (planned.low <= planned.high).all()


def test_a_budget_ends_the_plan() -> None:
    world, calibration, thresholds = world_and_calibration(4_000)
    planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng(0), draws=3, budget=100)
    assert planned.questions[-1] <= 100


def test_the_same_randomness_gives_the_same_plan() -> None:
    world, calibration, thresholds = world_and_calibration(2_000)
    one, again = (
        plan(world.trees, calibration, thresholds, rng=np.random.default_rng(5), draws=2) for _ in range(2)
    )
    assert (one.accepted == again.accepted).all()


def test_nothing_to_ask_is_a_plan_of_nothing() -> None:
    world, calibration, _ = world_and_calibration(500)
    planned = plan(world.trees, calibration, Thresholds(k_pa=1.0), rng=np.random.default_rng(0), draws=2)
    assert planned.questions.tolist() == [0]
    assert planned.accepted_for(1_000) == 0
    assert planned.questions_for(1) is None


def test_questions_are_read_off_for_masks_and_masks_for_questions() -> None:
    grid = np.array([0, 100, 200])
    accepted = np.array([0.0, 50, 80])
    made = Plan(grid, accepted, accepted, accepted, accepted, accepted[None])
    assert made.accepted_for(150) == 65
    assert made.questions_for(50) == 100
    assert made.questions_for(81) is None
    assert made.cost(150, price=0.02) == pytest.approx(3)
    assert made.cost(10**6, price=0.02) == pytest.approx(4)


def test_a_plan_is_closest_together_at_its_beginning_where_campaigns_gain_most() -> None:
    world, calibration, thresholds = world_and_calibration(4_000)
    planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng(0), draws=2)
    steps = np.diff(planned.questions)
    assert steps[: len(steps) // 4].max() < steps[-len(steps) // 4 :].min()


def test_a_plan_is_kept_as_plain_values() -> None:
    world, calibration, thresholds = world_and_calibration(500)
    planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng(0), draws=2)
    kept = Plan.from_json(json.loads(json.dumps(planned.to_json(), allow_nan=False)))
    for name in Plan.__slots__:
        column, again = getattr(planned, name), getattr(kept, name)
        assert again.dtype == column.dtype
        np.testing.assert_array_equal(again, column)


GRID = np.arange(0, 1001, 100)
STEADY, SLOWER = 5 * GRID, 4 * GRID


def test_a_forecast_from_the_beginning_is_the_plan() -> None:
    found = outlook(GRID, np.array([STEADY, SLOWER, SLOWER]), questions=0, accepted=0)
    assert found.questions.tolist() == GRID.tolist()
    assert found.accepted == pytest.approx((STEADY + 2 * SLOWER) / 3)
    assert found.at(1000) == pytest.approx((13_000 / 3, 4000, 4800))


def test_a_campaign_that_brings_half_is_expected_to_go_on_so() -> None:
    found = outlook(GRID, np.array([STEADY]), questions=800, accepted=2000)
    mean, _, _ = found.at(1000)
    assert 2500 <= mean < 2600
    assert found.at(800)[0] == 2000


def test_a_first_disappointment_weighs_little() -> None:
    early = outlook(GRID, np.array([STEADY]), questions=10, accepted=0)
    late = outlook(GRID, np.array([STEADY]), questions=500, accepted=0)
    assert early.at(1000)[0] > 0.85 * STEADY[-1]
    assert late.at(1000)[0] < 0.2 * STEADY[-1]


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=11, max_size=11), min_size=1, max_size=4),
    st.floats(0, 1500),
    st.integers(0, 5000),
)
def test_a_forecast_begins_with_what_there_is_and_never_falls(
    gains: list[list[int]], questions: float, accepted: int
) -> None:
    found = outlook(GRID, np.cumsum(gains, axis=1), questions=questions, accepted=accepted)
    assert found.at(questions) == pytest.approx((accepted, accepted, accepted))
    assert (np.diff(found.accepted) >= -1e-9).all()
    assert (found.low <= found.high + 1e-9).all()
