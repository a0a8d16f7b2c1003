"""What a campaign will come to, seen from where it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.catalog.models import Project
from annotation_site.catalog.rounds import current_round
from annotation_site.verification.looking_ahead import Ahead, Ends, Stand, look_ahead, present_rate
from pipeline.metrics import SECONDS_PER_ANSWER
from tests.factories import NOON
from tests.site.campaigns import Person, opened
from tests.site.test_estimates import made
from tests.site.test_forecasting import calibrated, planned

pytestmark = pytest.mark.django_db

BEGIN = Stand(answers=0, gold=0, accepted=0, spent=Decimal(0), per_hour=None)


@pytest.fixture
def project() -> Project:
    return calibrated()


def seen(project: Project, stand: Stand = BEGIN) -> Ahead:
    round_, budget = current_round(project), budget_of(project)
    found = look_ahead(round_, planned(project), budget, stand, at=NOON)
    assert found is not None
    return found


def test_where_nothing_is_worth_asking_nothing_is_foreseen() -> None:
    project = calibrated(k_pa=1.0)
    assert look_ahead(current_round(project), planned(project), None, BEGIN, at=NOON) is None


def test_without_a_cap_it_goes_on_until_nothing_is_left_to_ask(project: Project) -> None:
    ahead = seen(project)
    assert ahead.ends == Ends.TREES
    assert 0 < ahead.low <= ahead.accepted <= ahead.high <= 2048
    assert ahead.curve[0] == (0, 0, 0, 0)
    assert ahead.curve[-1][0] == ahead.answers


@pytest.mark.parametrize("caps", [(100, None), (None, Decimal("2.00"))], ids=["questions", "money"])
def test_a_cap_ends_it(project: Project, caps: tuple[int | None, Decimal | None]) -> None:
    questions, money = caps
    set_caps(project=project, questions=questions, money=money, pay_per_question="0.02")
    ahead = seen(project)
    assert (ahead.ends, ahead.answers, ahead.money) == (Ends.BUDGET, 100, 2)
    half = seen(project, replace(BEGIN, answers=50, spent=Decimal(1)))
    assert half.answers == 50


@pytest.mark.parametrize("cap", [None, 5, 200])
@pytest.mark.parametrize("answers", [10, 100_000], ids=["within the plan", "beyond it"])
def test_it_begins_where_the_campaign_stands(project: Project, answers: int, cap: int | None) -> None:
    if cap is not None:
        set_caps(project=project, questions=cap, money=None)
    ahead = seen(project, replace(BEGIN, answers=answers, gold=answers // 10, accepted=3))
    assert ahead.curve[0] == (answers, 3, 3, 3)
    assert [questions for questions, *_ in ahead.curve] == sorted(questions for questions, *_ in ahead.curve)
    assert ahead.curve[-1][0] == answers + ahead.answers
    assert (ahead.answers == 0) is (answers > (cap or 2048))


def test_the_day_is_that_of_the_present_rate(project: Project) -> None:
    set_caps(project=project, questions=100, money=None)
    assert seen(project).at is None
    assert seen(project, replace(BEGIN, per_hour=50)).at == NOON + timedelta(hours=2)


def test_a_rate_is_that_of_the_last_day_or_since_the_first_answer() -> None:
    hours = [1 / 60, 2, 240]
    rates = [present_rate(48, first=NOON - timedelta(hours=n), at=NOON) for n in hours]
    assert rates == pytest.approx([48 * 6, 24, 2])
    assert present_rate(0, first=NOON, at=NOON) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["", "launch/"])
def test_pages_tell_it_or_that_it_is_on_its_way(project: Project, admin_client: Client, page: str) -> None:
    address = f"/projects/{project.slug}/{page}"
    made(project)
    assert "masks when nothing is left to ask" in admin_client.get(address).content.decode()
    Project.objects.update(k_a=0.9)
    cache.clear()
    assert "A worker is imagining the campaign" in admin_client.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_curve_goes_on_into_what_is_expected(project: Project, admin_client: Client) -> None:
    made(project)
    Person.of(opened(project)).work()
    curve = admin_client.get(f"/projects/{project.slug}/curve.json").json()
    ahead = curve["ahead"]
    assert ahead["questions"][0] == curve["questions"][-1]
    assert ahead["questions"] == sorted(ahead["questions"])
    assert ahead["hours"][0] == curve["hours"][-1]
    more = ahead["questions"][-1] - ahead["questions"][0]
    assert ahead["hours"][-1] - ahead["hours"][0] == pytest.approx(more * SECONDS_PER_ANSWER / 3600)
    assert ahead["low"][-1] <= ahead["expected"][-1] <= ahead["high"][-1]
