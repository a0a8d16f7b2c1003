"""What a campaign will cost, told before anyone is asked."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation_site.budget.caps import set_caps
from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.verification.forecasting import (
    Forecast,
    NothingToForecast,
    basis_of,
    forecast,
    plan_campaign,
)
from annotation_site.verification.workloads import Workload
from pipeline.calibration import calibrate
from pipeline.decisions import Thresholds
from tests.factories import ProjectFactory
from tests.pipeline.made_trees import random_tree_of_halves
from tests.site.campaigns import project_with_tree

pytestmark = pytest.mark.django_db


def calibrated(**parameters: object) -> Project:
    """A project whose masks of a high score are mostly right, and a calibration that says so."""
    rng = np.random.default_rng(2)
    quality = np.repeat(rng.random(64), 32)
    correct = rng.random(2048) < quality
    project = project_with_tree(correct, scores=quality, **{"hit_size": 10, **parameters})
    held_out = random_tree_of_halves(quality)
    calibration = calibrate([(held_out, correct)], Thresholds())
    Round.objects.filter(project=project).update(calibration=calibration.to_json(), k_pa=calibration.k_pa)
    return project


def planned(project: Project) -> Forecast:
    round_ = current_round(project)
    basis = replace(basis_of(round_), draws=3)
    return forecast(round_, basis, plan_campaign(round_, basis))


def test_more_masks_take_more_questions_money_and_hours() -> None:
    project = calibrated()
    set_caps(project=project, questions=None, money=None, pay_per_question="0.02", fee_share="0.2")
    steps = planned(project).steps(8)
    for before, after in itertools.pairwise(steps):
        assert before.accepted <= after.accepted
        assert before.questions < after.questions
        assert before.money < after.money
        assert before.hours < after.hours
    assert steps[-1].low <= steps[-1].accepted <= steps[-1].high
    assert 0.5 < steps[-1].precision <= 1


def test_gold_and_votes_are_among_the_questions() -> None:
    alone = planned(calibrated(gold_share=0.0, worker_accuracy=1.0)).steps(1)[0]
    with_gold = planned(calibrated(gold_share=0.5, worker_accuracy=1.0)).steps(1)[0]
    voted = planned(calibrated(gold_share=0.0, worker_accuracy=1.0, judgments_per_question=3)).steps(1)[0]
    assert with_gold.questions == pytest.approx(2 * alone.questions, rel=0.05)
    assert voted.questions == pytest.approx(2 * alone.questions, rel=0.05)  # two that agree are enough


@pytest.mark.parametrize(
    ("pay", "money"),
    [
        ({"pay_per_question": "0.02"}, "0.50"),
        ({"pay_per_hit": "0.30"}, "0.90"),
        ({"pay_per_hour": "18"}, "0.25"),
        ({"pay_per_hit": "0.30", "fee_share": "0.2", "least_fee": "0.10"}, "1.20"),
    ],
)
def test_the_price_is_that_of_whole_hits_and_a_last_one(pay: dict[str, str], money: str) -> None:
    project = calibrated()
    set_caps(project=project, questions=None, money=None, **pay)
    assert planned(project).work.price(25) == Decimal(money)


def test_a_target_is_found_or_told_to_be_out_of_reach() -> None:
    found = planned(calibrated())
    most = found.steps(1)[-1].accepted
    half = found.target(int(most / 2))
    assert half is not None
    assert half.accepted >= int(most / 2)
    assert found.target(10**6) is None


def test_a_budget_says_where_it_ends() -> None:
    project = calibrated()
    budget = set_caps(project=project, questions=100, money=None)
    found = planned(project)
    assert found.until_spent(budget).questions <= 100
    assert found.until_spent(set_caps(project=project, questions=10**6, money=None)) is None
    money = set_caps(project=project, questions=None, money=Decimal(1), pay_per_question="0.01")
    assert planned(project).until_spent(money).money <= 1


@settings(max_examples=20)
@given(st.integers(0, 500), st.integers(0, 500))
def test_more_questions_never_cost_less(some: int, more: int) -> None:
    terms = Budget(pay_per_hit=Decimal("0.3"), pay_per_hour=Decimal(9), least_fee=Decimal("0.01")).terms
    work = Workload(1.0, 0.1, 2.0, 7, terms, "USD")
    assert work.price(some) <= work.price(some + more)


def test_without_trees_or_calibration_it_says_what_is_missing() -> None:
    with pytest.raises(NothingToForecast, match=r"manage\.py cluster"):
        planned(ProjectFactory())
    with pytest.raises(NothingToForecast, match=r"manage\.py calibrate"):
        planned(project_with_tree([True] * 32))


def told(project: Project, *options: str) -> str:
    out = io.StringIO()
    call_command("plan", project.slug, "--draws", "2", *options, stdout=out)
    return out.getvalue()


def test_the_command_tells_people_and_scripts() -> None:
    project = calibrated()
    set_caps(project=project, questions=100, money=None, pay_per_question="0.02")
    text = told(project, "--accepted", "100")
    assert "100 accepted masks: " in text
    assert "the budget: " in text
    assert "not to be expected" in told(project, "--accepted", "999999")
    plain = json.loads(told(project, "--accepted", "100", "--json"))
    assert plain["target"]["accepted"] >= 100
    assert len(plain["steps"]) == 10
    for options in (["nobody"], [project.slug, "--draws", "0"]):
        with pytest.raises(CommandError):
            call_command("plan", *options)
