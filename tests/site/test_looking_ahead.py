"""What a campaign will come to, seen from where it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.verification.looking_ahead import (
    Ahead,
    Ends,
    Stand,
    look_ahead,
    plan_ahead,
    present_rate,
    rounds_to_plan,
)
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import Person, opened
from tests.site.test_forecasting import calibrated

pytestmark = pytest.mark.django_db

BEGIN = Stand(answers=0, gold=0, accepted=0, spent=Decimal(0), per_hour=None)


@pytest.fixture
def planned() -> Project:
    project = calibrated()
    plan_ahead(Round.objects.get(project=project))
    return project


def seen(project: Project, stand: Stand = BEGIN) -> Ahead:
    found = look_ahead(project, budget_of(project), stand, at=NOON)
    assert found is not None
    return found


def test_a_round_is_planned_once_and_anew_when_a_parameter_changes(planned: Project) -> None:
    assert rounds_to_plan() == []
    assert not plan_ahead(Round.objects.get(project=planned))
    Project.objects.filter(pk=planned.pk).update(k_a=0.9)
    planned.refresh_from_db()
    assert [round_.project for round_ in rounds_to_plan()] == [planned]
    assert look_ahead(planned, None, BEGIN, at=NOON) is None


def test_what_is_not_calibrated_is_not_planned() -> None:
    project = ProjectFactory()
    assert rounds_to_plan() == []
    assert look_ahead(project, None, BEGIN, at=NOON) is None


def test_without_a_cap_it_goes_on_until_nothing_is_left_to_ask(planned: Project) -> None:
    ahead = seen(planned)
    assert ahead.ends == Ends.TREES
    assert 0 < ahead.low <= ahead.accepted <= ahead.high <= 2048
    assert ahead.curve[0] == (0, 0, 0, 0)
    assert ahead.curve[-1][0] == ahead.answers


@pytest.mark.parametrize("caps", [(100, None), (None, Decimal("2.00"))], ids=["questions", "money"])
def test_a_cap_ends_it(planned: Project, caps: tuple[int | None, Decimal | None]) -> None:
    questions, money = caps
    set_caps(project=planned, questions=questions, money=money, pay_per_question="0.02")
    ahead = seen(planned)
    assert (ahead.ends, ahead.answers, ahead.money) == (Ends.BUDGET, 100, 2)
    half = seen(planned, replace(BEGIN, answers=50, spent=Decimal(1)))
    assert half.answers == 50


def test_the_day_is_that_of_the_present_rate(planned: Project) -> None:
    set_caps(project=planned, questions=100, money=None)
    assert seen(planned).at is None
    assert seen(planned, replace(BEGIN, per_hour=50)).at == NOON + timedelta(hours=2)


def test_a_rate_is_that_of_the_last_day_or_since_the_first_answer() -> None:
    hours = [1 / 60, 2, 240]
    rates = [present_rate(48, first=NOON - timedelta(hours=n), at=NOON) for n in hours]
    assert rates == pytest.approx([48 * 6, 24, 2])
    assert present_rate(0, first=NOON, at=NOON) is None


@pytest.mark.parametrize("page", ["", "launch/"])
def test_pages_tell_it_or_that_it_is_on_its_way(planned: Project, admin_client: Client, page: str) -> None:
    address = f"/projects/{planned.slug}/{page}"
    assert "masks when nothing is left to ask" in admin_client.get(address).content.decode()
    StageRun.objects.all().delete()
    cache.clear()
    assert "A worker is imagining the campaign" in admin_client.get(address).content.decode()


def test_the_curve_goes_on_into_what_is_expected(planned: Project, admin_client: Client) -> None:
    Person.of(opened(planned)).work()
    curve = admin_client.get(f"/projects/{planned.slug}/curve.json").json()
    ahead = curve["ahead"]
    assert ahead["questions"][0] == curve["questions"][-1]
    assert ahead["questions"] == sorted(ahead["questions"])
    assert ahead["low"][-1] <= ahead["expected"][-1] <= ahead["high"][-1]
