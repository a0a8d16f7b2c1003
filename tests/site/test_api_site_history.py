"""The history of the whole site over the API: as the page has it, a page by key, for superusers alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import Scope
from annotation_site.audit.models import Entry
from annotation_site.catalog.models import Project
from tests.factories import ProjectFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/system/history"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def client(root: User) -> Client:
    return client_of(root)


@pytest.fixture
def projects() -> list[Project]:
    """Two that were changed, one after the other."""
    made: list[Project] = [ProjectFactory(slug=slug) for slug in ("doors", "leaves")]
    for project in made:
        project.k_a = 0.9
        project.save(update_fields=["k_a"])
    return made


def read(client: Client, query: str = "", *, limit: int = 200) -> list[Any]:
    """Every result, page after page."""
    url, found = f"{URL}?limit={limit}&{query}", list[Any]()
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.content
        found, url = found + answer.json()["results"], answer.json()["next"]
    return found


def test_it_tells_what_was_changed_wherever_with_its_project(client, projects):
    doors, leaves = projects
    latest, before = (one for one in read(client, "what=catalog.Project") if one["change"] == "update")
    assert (latest["project"], latest["project_id"]) == ("leaves", leaves.pk)
    assert (before["project"], before["before"], before["after"]) == ("doors", {"k_a": 0.85}, {"k_a": 0.9})
    assert before["row"] == str(doors.pk)


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_pages_by_key_tell_each_change_once_the_newest_first(client, projects, limit):
    User.objects.create_user("ada")
    wanted = list(Entry.objects.order_by("-pk").values_list("pk", flat=True))
    assert len(wanted) > 5
    assert [one["id"] for one in read(client, limit=limit)] == wanted


def test_it_is_what_the_page_shows(client, root, projects):
    browser = Client()
    browser.force_login(root)
    shown = browser.get(reverse("dashboards:site-history")).context["page"].rows
    assert [one["id"] for one in read(client)] == [change.entry.pk for change in shown]


def test_it_is_narrowed_by_who_and_what(client, projects):
    who = Entry.objects.first().who
    assert read(client, f"who={who}&what=catalog.Project") == read(client, "what=catalog.Project")
    assert read(client, "who=nobody") == []
    assert client.get(f"{URL}?what=catalog.Image").status_code == 400


def test_what_was_of_no_project_and_of_one_that_is_gone_is_told(client, projects):
    gone = projects[0].pk
    Project.objects.filter(pk=gone).update(slug="renamed")
    Entry.objects.create(
        at=Entry.objects.first().at, who="ada", via="page", project_id=2**40, what="catalog.Project",
        row="1", change="delete", before={"name": "Gates"},
    )  # fmt: skip
    found = read(client)
    assert (found[0]["project"], found[0]["project_id"]) == (None, 2**40)
    assert {one["project"] for one in found if one["project_id"] == gone} == {"renamed"}
    assert {one["project"] for one in found if one["what"] == "auth.User"} == {None}


def test_others_are_refused_even_where_they_own_all_projects(projects):
    ada = User.objects.create_user("ada", is_staff=True)
    for project in projects:
        grant(project=project, user=ada, access=Access.OWNER)
    refused = client_of(ada).get(URL)
    assert (refused.status_code, refused.json()["type"]) == (403, "superusers-only")


def test_a_superusers_token_must_be_good_for_as_much_as_for_a_projects_history(root, projects):
    for client, told in (
        (client_of(root, Scope.READ), "scope-insufficient"),
        (client_of(root, projects=projects), "token-restricted"),
    ):
        refused = client.get(URL)
        assert (refused.status_code, refused.json()["type"]) == (403, told)
    assert client_of(root, Scope.WRITE).get(URL).status_code == 200
