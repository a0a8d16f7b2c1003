"""Workers over the API as the pages have them: in which order, which of them, and how each did over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import Scope
from annotation_site.catalog.models import Project
from annotation_site.dashboards.workers.charts import gold_chart, pace_chart
from annotation_site.dashboards.workers.selectors import SORTS, Wanted, workers_page
from annotation_site.people.models import Standing
from annotation_site.people.standing import change_standing
from annotation_site.verification.models import Says
from tests.factories import NOON
from tests.site.api_ground import V1, client_of
from tests.site.campaigns import Person, opened, project_with_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return opened(project_with_clusters([0.9] * 6, size=16, gold=20, hit_size=20, gold_share=0.2))


@pytest.fixture
def crowd(project: Project) -> Project:
    """Two who answered, one of them with a page open, and three who did not."""
    people = [Person.of(project, name) for name in ("Ada", "ben", "Cy", "Dot", "Eve")]
    people[1].says = lambda item: Says.YES
    for person in people[:2]:
        person.work()
    people[0].open()
    return project


@pytest.fixture
def client(project: Project) -> Client:
    """Of somebody who may look."""
    viewer = User.objects.create_user("viewer")
    grant(project=project, user=viewer, access=Access.VIEWER)
    return client_of(viewer, Scope.READ)


def listed(client: Client, project: Project, query: str = "", *, limit: int = 200) -> list[Any]:
    """Every worker, page after page."""
    url, found = f"{V1}/projects/{project.slug}/workers?limit={limit}&{query}", list[Any]()
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.content
        found, url = found + answer.json()["results"], answer.json()["next"]
    return found


@pytest.mark.parametrize("order", [sign + key for key in SORTS for sign in ("", "-")])
def test_every_order_of_the_page_is_one_of_the_api(crowd, client, order):
    shown = [row.member.pk for row in workers_page(crowd, Wanted(sort=order)).rows]
    for limit in (2, 200):
        assert [one["id"] for one in listed(client, crowd, f"order={order}", limit=limit)] == shown


def test_by_itself_the_newest_come_first(crowd, client):
    assert [one["name"] for one in listed(client, crowd, limit=2)] == ["Eve", "Dot", "Cy", "ben", "Ada"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("standing=stopped", {"Cy"}),
        ("name=BE", {"ben"}),
        ("provider=link&name=e", {"ben", "Eve"}),
        ("provider=mturk", set()),
        ("standing=stopped&name=ada", set()),
    ],
)
def test_they_are_found_by_standing_name_and_provider(crowd, client, query, names):
    change_standing(membership=crowd.members.get(worker__name="Cy"), to=Standing.STOPPED, reason="x", at=NOON)
    assert {one["name"] for one in listed(client, crowd, query)} == names


def test_each_is_told_with_their_record(crowd, client):
    found = {one["name"]: one for one in listed(client, crowd)}
    kept = {str(row.member.worker): row.record for row in workers_page(crowd, Wanted()).rows}
    ada = found["Ada"]
    assert (ada["record"]["gold_right"], ada["answers"]) == (kept["Ada"].gold_right, kept["Ada"].answers)
    assert datetime.fromisoformat(ada["last_answer_at"]) == kept["Ada"].last_at
    assert {name for name, one in found.items() if one["is_at_work"]} == {"Ada"}
    assert (found["Eve"]["answers"], found["Eve"]["last_answer_at"]) == (0, None)


def test_an_order_that_there_is_not_is_refused(crowd, client):
    answer = client.get(f"{V1}/projects/{crowd.slug}/workers?order=shoe-size")
    assert (answer.status_code, answer.json()["type"]) == (400, "invalid")


def test_how_somebody_did_over_time_is_what_the_charts_draw(crowd, client):
    member = crowd.members.get(worker__name="Ada")
    found = client.get(f"{V1}/projects/{crowd.slug}/workers/{member.pk}/course").json()
    gold, pace = gold_chart(member), pace_chart(member)
    assert len(found["gold"]) > 1
    for told, rows in ((found["gold"], gold.rows), (found["pace"], pace.rows)):
        assert [list(point.values())[1:] for point in told] == [list(row[1:]) for row in rows]
        assert [datetime.fromisoformat(point["at"]) for point in told] == [row[0] for row in rows]
    assert (found["gold_limits"], found["pace_limits"]) == (dict(gold.lines), dict(pace.lines))


def test_who_never_answered_has_no_course_yet(crowd, client):
    member = crowd.members.get(worker__name="Eve")
    found = client.get(f"{V1}/projects/{crowd.slug}/workers/{member.pk}/course").json()
    assert (found["gold"], found["pace"]) == ([], [])
    assert client.get(f"{V1}/projects/{crowd.slug}/workers/0/course").status_code == 404
