"""The machine room over the API: for superusers, by tokens that are for all projects."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation_site import enqueue
from annotation_site.api.models import Scope
from annotation_site.catalog.models import StageRun
from annotation_site.dashboards import system
from tests.factories import ProjectFactory, RoundFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
ROUTES = ["system", "system/workers", "system/stages"]


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def client(root: User) -> Client:
    return client_of(root)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that workers were asked for."""
    tasks: list[str] = []
    monkeypatch.setattr(enqueue, "send", lambda task, *_, **__: tasks.append(task))
    return tasks


@pytest.fixture(autouse=True)
def _nobody_works(monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> None:
    monkeypatch.setattr(enqueue, "workers", list)
    monkeypatch.setattr(system, "queues", lambda: {"gpu": 3, "cpu": 0, "io": 0})


@pytest.fixture
def failed() -> StageRun:
    return StageRun.objects.create(round=RoundFactory(), stage="train", state="failed", error="No room.")


def told(client: Client, path: str):
    answer = client.get(f"{V1}/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def retried(client: Client, run: StageRun):
    return client.post(f"{V1}/system/stages/{run.pk}/retry")


def test_it_tells_what_waits_and_how_much_room_is_left(client):
    found = told(client, "system")
    assert found["queues"] == {"gpu": 3, "cpu": 0, "io": 0}
    assert found["database"] > 0
    assert {room["name"] for room in found["storages"]} == {room.name for room in system.rooms()}
    assert all(0 < room["free"] < room["total"] for room in found["storages"])


def test_it_tells_which_storages_are_elsewhere(client, monkeypatch):
    assert told(client, "system")["buckets"] == []
    monkeypatch.setattr(system, "buckets", lambda: [("images", "s3://facades/site")])
    assert told(client, "system")["buckets"] == [{"name": "images", "place": "s3://facades/site"}]


def test_it_tells_who_works(client, monkeypatch):
    worker = enqueue.WorkerProcess("gpu@one", ["gpu"], ["A100, 80 GB"], ["maskgrove.train"])
    monkeypatch.setattr(enqueue, "workers", lambda: [worker])
    (found,) = told(client, "system/workers")["results"]
    assert found == {
        "name": "gpu@one", "queues": ["gpu"], "gpus": ["A100, 80 GB"], "tasks": ["maskgrove.train"]
    }  # fmt: skip


def test_it_tells_the_stages_of_all_projects_in_use(client, failed):
    running = StageRun.objects.create(round=RoundFactory(), stage="cluster", state="running", done=2, total=5)
    StageRun.objects.create(round=RoundFactory(), stage="train", state="waiting")
    away = RoundFactory(project=ProjectFactory(state="archived"))
    StageRun.objects.create(round=away, stage="train", state="failed")
    first, second = told(client, "system/stages")["results"]
    assert (first["id"], first["state"], first["done"], first["total"]) == (running.pk, "interrupted", 2, 5)
    assert (second["project"], second["error"]) == (failed.round.project.slug, "No room.")
    assert told(client, "system/stages?state=failed")["results"] == [second]
    assert f"cursor={running.pk}&" in told(client, "system/stages?limit=1")["next"]


def test_a_failed_stage_is_tried_again_once(client, failed, sent):
    answer = retried(client, failed)
    assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (200, "waiting", "")
    failed.round.refresh_from_db()
    assert (failed.round.carry_on_to, sent) == (failed.stage, ["maskgrove.run_pipeline"])
    again = retried(client, failed)
    assert (again.status_code, again.json()["type"]) == (409, "nothing-to-retry")


def test_a_stage_of_an_earlier_round_does_not_carry_on_the_latest(client, root, failed, sent):
    later = failed.round.project.rounds.create(number=failed.round.number + 1)
    answer = retried(client, failed)
    assert (answer.status_code, answer.json()["type"]) == (409, "nothing-to-retry")
    browser = Client()
    browser.force_login(root)
    page = browser.post(f"/system/stages/{failed.pk}/retry/", follow=True)
    assert "a later one was begun" in page.content.decode()
    later.refresh_from_db()
    assert (later.carry_on_to, sent) == ("", [])


def test_nothing_is_tried_again_on_an_archived_project(client, failed):
    failed.round.project.state = "archived"
    failed.round.project.save()
    answer = retried(client, failed)
    assert (answer.status_code, answer.json()["type"]) == (409, "project-archived")
    assert client.post(f"{V1}/system/stages/0/retry").status_code == 404


def test_others_are_refused_whatever_their_token(failed):
    client = client_of(User.objects.create_user("ada", is_staff=True))
    answers = [*(client.get(f"{V1}/{path}") for path in ROUTES), retried(client, failed)]
    assert {(one.status_code, one.json()["type"]) for one in answers} == {(403, "superusers-only")}


def test_a_superusers_token_does_what_its_scope_says(root, failed):
    reader, runner = client_of(root, Scope.READ), client_of(root, Scope.WRITE)
    assert {reader.get(f"{V1}/{path}").status_code for path in ROUTES} == {200}
    refused = retried(reader, failed)
    assert (refused.status_code, refused.json()["type"]) == (403, "scope-insufficient")
    assert retried(runner, failed).status_code == 200


def test_a_token_for_some_projects_is_none_for_the_site(root, failed):
    client = client_of(root, projects=[failed.round.project])
    answers = [*(client.get(f"{V1}/{path}") for path in ROUTES), retried(client, failed)]
    assert {(one.status_code, one.json()["type"]) for one in answers} == {(403, "token-restricted")}
