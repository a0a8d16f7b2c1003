"""What many tabs look at is counted once for all of them, and again a few seconds later."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from annotation_site import enqueue
from annotation_site.catalog.models import Project
from annotation_site.dashboards import overview
from annotation_site.dashboards.sharing import compute_due, shared
from tests import factories
from tests.site.campaigns import counted_queries
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def worker_there(monkeypatch) -> None:
    """No alarm comes up between two looks."""
    monkeypatch.setattr(enqueue, "served_queues", lambda: frozenset({"gpu", "cpu", "io"}))
    cache.delete("maskgrove:queues-served")


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """The projects whose figures were counted."""
    projects: list[int] = []
    count = overview.Figures.of
    monkeypatch.setattr(overview.Figures, "of", lambda project: projects.append(project.pk) or count(project))
    return projects


def later(project: Project, what: str = "overview") -> None:
    """The seconds for which figures are new have passed."""
    cache.delete(f"maskgrove:{what}:{project.pk}:fresh")


def test_many_tabs_cost_one_computation(admin_client: Client, counted: list[int]) -> None:
    project = verified([True] * 32)
    pages = {
        admin_client.get(reverse(f"dashboards:{page}", args=[project.slug])).status_code
        for page in ("project", *["live"] * 9)
    }
    assert pages == {200}
    assert counted == [project.pk]


def test_further_tabs_ask_the_database_for_no_judgment(admin_client: Client) -> None:
    project = verified([True] * 32)
    urls = [reverse(f"dashboards:{page}", args=[project.slug]) for page in ("live", "curve")]
    first = [admin_client.get(url).content for url in urls]
    with counted_queries() as statements:
        assert [admin_client.get(url).content for url in urls] == first
    assert not [statement for statement in statements if "verification_" in statement]


def test_what_happened_shows_once_the_figures_are_no_longer_new(counted: list[int]) -> None:
    project = factories.ProjectFactory()
    assert overview.overview(project)["bought"].accepted == 0
    tree = factories.TreeFactory(round=factories.RoundFactory(project=project), n=12)
    assert overview.overview(project)["predicted"] == 0
    later(project)
    assert overview.overview(project)["predicted"] == 0
    assert len(counted) == 1
    compute_due()
    assert overview.overview(project)["predicted"] == tree.n
    assert len(counted) == 2


def test_a_page_is_sent_before_newer_figures_are_computed(admin_client: Client, counted: list[int]) -> None:
    project = factories.ProjectFactory()
    url = reverse("dashboards:live", args=[project.slug])
    sent = []
    for _ in range(2):
        later(project)
        sent.append(admin_client.get(url).content)
    assert sent[0] == sent[1]
    assert counted == [project.pk] * 2


def test_each_project_has_its_own(counted: list[int]) -> None:
    first, second = factories.ProjectFactory(), factories.ProjectFactory()
    overview.overview(first)
    overview.overview(second)
    assert counted == [first.pk, second.pk]


def test_stages_are_as_they_are_now(counted: list[int]) -> None:
    round_ = factories.RoundFactory()
    assert overview.overview(round_.project)["preparing"]
    round_.stages.bulk_create(
        round_.stages.model(round=round_, stage=stage, state="done")
        for stage in ("train", "detect", "cluster", "calibrate", "open")
    )
    assert not overview.overview(round_.project)["preparing"]
    assert len(counted) == 1


def test_who_asks_while_someone_counts_gets_the_figures_before() -> None:
    project = factories.ProjectFactory()
    assert shared(project, "turn", lambda _: 1) == 1
    later(project, "turn")

    def counting(_: Project) -> int:
        assert shared(project, "turn", lambda _: 99) == 1
        return 2

    assert shared(project, "turn", counting) == 1
    compute_due()
    assert shared(project, "turn", lambda _: 99) == 2


def test_a_count_that_fails_is_said_once_and_leaves_the_figures_before(caplog) -> None:
    project = factories.ProjectFactory()
    assert shared(project, "broken", lambda _: 1) == 1
    later(project, "broken")
    assert shared(project, "broken", lambda _: 1 // 0) == 1
    compute_due()
    assert "ZeroDivisionError" in caplog.text
    assert shared(project, "broken", lambda _: 99) == 1


def test_the_setting_can_have_everyone_count(settings, counted: list[int]) -> None:
    settings.OVERVIEW_SECONDS = 0
    project = factories.ProjectFactory()
    for _ in range(3):
        overview.overview(project)
    assert len(counted) == 3
