"""Background work of all projects over the API, and another try of it: for superusers alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation_site import enqueue
from annotation_site.api.models import Scope
from annotation_site.catalog.jobs import Job
from annotation_site.closing.models import Deletion
from annotation_site.dashboards.background import KINDS
from annotation_site.preparing.models import Estimate
from tests.factories import NOON, ProjectFactory, RoundFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
ENDED = {"state": "failed", "error": "No room.", "done": 3, "total": 9}


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def client(root: User) -> Client:
    return client_of(root)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The tasks that workers were asked for, each with what it is about."""
    tasks: list[tuple[str, int]] = []
    monkeypatch.setattr(enqueue, "send", lambda task, pk, **_: tasks.append((task, pk)))
    return tasks


@pytest.fixture
def failed() -> dict[str, Job]:
    """One of each kind that failed."""
    round_ = RoundFactory(project__slug="facades", project__name="Facades")
    project = round_.project
    return {
        "import": project.imports.create(source="place", shares={}, asked_at=NOON, **ENDED),
        "export": project.exports.create(format="coco", include="accepted", asked_at=NOON, **ENDED),
        "estimate": Estimate.objects.create(round=round_, **ENDED),
        "comparison": project.comparisons.create(round=round_, asked_at=NOON, **ENDED),
        "deletion": Deletion.objects.create(
            project=1, slug="gone", name="Gone", asked_at=NOON, keeps_answers=False, **ENDED
        ),
    }


def listed(client: Client, kind: str, query: str = "") -> list[Any]:
    answer = client.get(f"{V1}/system/jobs/{kind}{query}")
    assert answer.status_code == 200, answer.content
    found: list[Any] = answer.json()["results"]
    return found


def retried(client: Client, kind: str, job: Job) -> Any:
    return client.post(f"{V1}/system/jobs/{kind}/{job.pk}/retry")


@pytest.mark.parametrize("kind", KINDS)
def test_it_tells_how_far_each_is(client, failed, kind):
    project, name = (None, "Gone") if kind == "deletion" else ("facades", "Facades")
    assert listed(client, kind) == [
        {
            "id": failed[kind].pk, "kind": kind, "project": project, "name": name, "state": "failed",
            "done": 3, "total": 9, "message": "", "error": "No room.", "begun_at": None, "finished_at": None,
        }
    ]  # fmt: skip


def test_they_are_told_by_state_page_by_page_and_none_of_projects_put_away(client, failed):
    project = failed["export"].project
    for state in ("done", "running", "failed"):
        project.exports.create(format="yolo", include="all", asked_at=NOON, state=state)
    away = ProjectFactory(state="archived")
    away.exports.create(format="coco", include="all", asked_at=NOON, state="failed")
    assert [one["state"] for one in listed(client, "export")] == ["failed", "running", "done", "failed"]
    first = client.get(f"{V1}/system/jobs/export?state=failed&limit=1").json()
    (second,) = client.get(first["next"]).json()["results"]
    assert second["id"] == failed["export"].pk
    assert client.get(f"{V1}/system/jobs/nothing").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_what_failed_or_was_stopped_is_tried_again_once(client, failed, sent, kind):
    for state in ("failed", "stopped"):
        type(failed[kind])._default_manager.update(state=state)
        answer = retried(client, kind, failed[kind])
        assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (200, "waiting", "")
    again = retried(client, kind, failed[kind])
    assert (again.status_code, again.json()["type"]) == (409, "nothing-to-retry")
    assert [pk for _, pk in sent] == [failed[kind].pk] * 2


def test_nothing_is_tried_again_on_an_archived_project(client, failed, sent):
    project = failed["export"].project
    project.state = "archived"
    project.save()
    for kind in ("import", "export", "estimate"):
        refused = retried(client, kind, failed[kind])
        assert (refused.status_code, refused.json()["type"]) == (409, "project-archived")
    assert sent == []
    assert client.post(f"{V1}/system/jobs/export/0/retry").status_code == 404
    assert client.post(f"{V1}/system/jobs/nothing/1/retry").status_code == 404


def test_others_are_refused(root, failed, sent):
    ada, reader = client_of(User.objects.create_user("ada", is_staff=True)), client_of(root, Scope.READ)
    one = client_of(root, projects=[failed["export"].project])
    for client, told in ((ada, "superusers-only"), (one, "token-restricted")):
        for answer in (client.get(f"{V1}/system/jobs/export"), retried(client, "export", failed["export"])):
            assert (answer.status_code, answer.json()["type"]) == (403, told)
    assert reader.get(f"{V1}/system/jobs/export").status_code == 200
    assert retried(reader, "export", failed["export"]).json()["type"] == "scope-insufficient"
    assert sent == []
