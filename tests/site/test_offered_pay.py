"""What a plan reckons with where a marketplace pays: its listing's reward and fee."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from annotation_site.budget.caps import set_caps
from annotation_site.budget.pay import pay_of
from annotation_site.catalog.models import Project
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.listings import draft_listing, end, publish
from annotation_site.marketplaces.models import Listing
from annotation_site.marketplaces.providers import PROVIDERS
from annotation_site.verification.workloads import Workload
from tests.factories import NOON, ProjectFactory
from tests.site.offers import TERMS, drafted, open_project
from tests.site.test_estimates import made
from tests.site.test_forecasting import calibrated, planned
from tests.site.test_looking_ahead import seen

pytestmark = pytest.mark.django_db


def offered(project: Project, provider: str, **terms: Any) -> Listing:
    """A draft where money is real."""
    environment = terms.pop("environment", "production")
    return draft_listing(
        project=project, provider=provider, environment=environment, at=NOON, terms={**TERMS, **terms}
    )


def price(project: Project, answers: int) -> Decimal:
    return Workload.of(project, votes=1.0).price(answers)


@pytest.mark.parametrize(
    ("provider", "wants", "money", "on"),
    [
        ("mturk", {}, "1.80", "Mechanical Turk"),  # 20 %
        ("prolific", {}, "2.142", "Prolific"),  # 42.8 %
        ("prolific", {"fee_share": "0.333"}, "1.9995", "Prolific"),
    ],
)
def test_each_page_costs_the_reward_and_the_marketplaces_fee(
    provider: str, wants: dict[str, str], money: str, on: str
) -> None:
    project = ProjectFactory(hit_size=10)
    offered(project, provider, reward=Decimal("0.50"), wants=wants)
    assert price(project, 25) == Decimal(money)  # The last page is paid as a full one.
    assert Workload.of(project, votes=1.0).paid_on == on


def test_a_cent_is_the_least_fee_of_mturk() -> None:
    project = ProjectFactory(hit_size=10)
    offered(project, "mturk", reward=Decimal("0.02"))
    assert price(project, 10) == Decimal("0.03")


def test_what_the_budget_pays_itself_counts_first() -> None:
    project = ProjectFactory(hit_size=10)
    offered(project, "mturk")
    set_caps(project=project, questions=None, money=None, pay_per_question="0.01")
    assert price(project, 10) == Decimal("0.10")
    assert pay_of(project).on == ""


@pytest.mark.parametrize("terms", [{"environment": "sandbox"}, {"currency": "GBP"}], ids=str)
def test_neither_a_sandbox_nor_another_currency_counts(terms: dict[str, str]) -> None:
    project = ProjectFactory(hit_size=10)
    offered(project, "prolific", **terms)
    assert price(project, 10) == 0
    assert pay_of(project).currency == "USD"


def test_another_projects_listing_does_not_count() -> None:
    offered(ProjectFactory(), "prolific")
    assert price(ProjectFactory(), 10) == 0


def test_the_dearest_draft_counts_until_one_is_published_and_the_last_after_all_have_ended(
    market: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "other", lambda environment: market)
    project = open_project()
    cheap, dear = (
        drafted(provider, project, reward=Decimal(reward))
        for provider, reward in (("memory", 1), ("other", 2))
    )
    fee = market.fee(cheap)

    def now() -> Decimal:
        return price(project, project.hit_size)

    assert now() == 2 + fee.on(Decimal(2))
    publish(listing=cheap, at=NOON)
    assert now() == 1 + fee.on(Decimal(1))
    end(listing=dear, at=NOON)
    end(listing=cheap, at=NOON)
    assert now() == 2 + fee.on(Decimal(2))


def test_a_forecast_ends_where_the_listing_has_spent_the_cap() -> None:
    project = calibrated(gold_share=0.0)
    offered(project, "mturk", reward=Decimal("0.50"))
    budget = set_caps(project=project, questions=None, money=Decimal(6))
    spent = planned(project).until_spent(budget)
    assert spent is not None
    assert 50 <= spent.questions <= 100  # Ten pages of ten.
    assert spent.money == Decimal("0.60") * -(-spent.questions // 10)
    ahead = seen(project)
    assert (ahead.answers, ahead.money, ahead.currency) == (100, 6, "USD")


@pytest.fixture
def on_prolific(transactional_db: None) -> Project:
    """A planned project that Prolific alone pays for."""
    project = calibrated()
    offered(project, "prolific")
    made(project)
    return project


def test_pages_tell_the_money_and_whose_terms_it_is_by(admin_client: Client, on_prolific: Project) -> None:
    address = f"/projects/{on_prolific.slug}/"
    assert "Money by the listing on Prolific" in admin_client.get(f"{address}setup/?part=estimate").text
    assert " USD</dd>" in admin_client.get(address).text.partition("Still to give")[2]
    set_caps(project=on_prolific, questions=None, money=None, pay_per_hit="0.10")
    assert "Money by the pay above." in admin_client.get(f"{address}setup/?part=estimate").text


def test_the_api_tells_it_too(admin_client: Client, on_prolific: Project) -> None:
    told = admin_client.get(f"/api/v1/projects/{on_prolific.slug}/estimate").json()["forecast"]
    assert (told["paid_on"], told["currency"]) == ("Prolific", "USD")
    assert Decimal(told["steps"][-1]["money"]) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, ", money by the listing on Prolific\n"), ({"json": True}, '"paid_on": "Prolific"')],
    ids=["table", "json"],
)
def test_the_command_tells_it_too(on_prolific: Project, options: dict[str, bool], said: str) -> None:
    out = io.StringIO()
    call_command("plan", on_prolific.slug, draws=3, stdout=out, **options)
    assert said in out.getvalue()
