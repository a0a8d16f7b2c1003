"""The menu of a project's pages: for whom, where it leads, and that it says where one is."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project
from annotation_site.dashboards.templatetags.navigation import GROUPS, Page
from tests import factories

pytestmark = pytest.mark.django_db

ENTRIES = [page for _, pages in GROUPS for page in pages]


def someone(client: Client, project: Project, access: Access) -> Client:
    user = User.objects.create_user("ada")
    grant(project=project, user=user, access=access)
    client.force_login(user)
    return client


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.route for entry in ENTRIES])
def test_an_entry_leads_to_a_page_that_knows_where_it_is(client: Client, entry: Page) -> None:
    project = factories.ProjectFactory()
    address = reverse(f"dashboards:{entry.route}", args=[project.slug])
    page = someone(client, project, Access.OWNER).get(address)
    assert page.status_code == 200
    assert f'<a href="{address}" aria-current="page">' in page.content.decode()


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.route for entry in ENTRIES])
def test_nobody_is_offered_what_they_may_not_open(client: Client, entry: Page) -> None:
    project = factories.ProjectFactory()
    viewer = someone(client, project, Access.VIEWER)
    address = reverse(f"dashboards:{entry.route}", args=[project.slug])
    offered = f'<a href="{address}"' in viewer.get(f"/projects/{project.slug}/").content.decode()
    assert offered == (viewer.get(address).status_code == 200)


def test_outside_a_project_there_are_the_pages_of_the_site_alone(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    menu = client.get("/").content.decode()
    assert f'<a href="{reverse("dashboards:system")}">' in menu
    assert "pages-groups" not in menu
