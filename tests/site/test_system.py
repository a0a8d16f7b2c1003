"""What machines and superusers are told of the site itself."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pythonjsonlogger.json import JsonFormatter

from annotation_site import enqueue, requests
from annotation_site.catalog.models import StageRun
from annotation_site.closing.models import Deletion
from annotation_site.dashboards import health, system
from annotation_site.preparing.models import Estimate
from tests.factories import NOON, ProjectFactory, RoundFactory
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


class TestHealth:
    def test_a_site_with_all_it_needs_is_ready(self, client: Client, monkeypatch):
        monkeypatch.setitem(health.CHECKS, "broker", lambda: None)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")

    def test_one_without_says_what_is_missing_and_no_more(self, client: Client, monkeypatch):
        def away() -> None:
            raise OSError("secret://host")

        monkeypatch.setitem(health.CHECKS, "broker", away)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "not ready",
            "database": "ok",
            "migrations": "ok",
            "broker": "away",
        }
        assert client.get("/healthz").status_code == 200

    def test_missing_migrations_are_told(self, client: Client, monkeypatch):
        monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["one"])
        assert client.get("/readyz").json()["migrations"] == "migrations are missing"


class TestBehindTls:
    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    def test_probes_inside_the_network_need_none(self, client: Client, settings, monkeypatch, path: str):
        monkeypatch.setitem(health.CHECKS, "broker", lambda: None)
        settings.SECURE_SSL_REDIRECT, settings.METRICS_TOKEN = True, "right"
        answer = client.get(path, headers={"Authorization": "Bearer right"})
        assert answer.status_code == 200

    @pytest.mark.parametrize("path", ["/", "/system/", "/healthz/", "/metrics/more"])
    def test_all_else_is_sent_there(self, client: Client, settings, path: str):
        settings.SECURE_SSL_REDIRECT = True
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{path}")


class TestMetrics:
    def test_facts_are_told_by_project(self, root: Client):
        project = verified([True] * 32)
        told = root.get("/metrics").content.decode()
        assert f'maskgrove_accepted_masks{{project="{project.slug}"}} 32.0' in told
        assert f'maskgrove_open_clusters{{project="{project.slug}"}} 0.0' in told
        assert f'maskgrove_answers_total{{project="{project.slug}"}} ' in told
        assert "maskgrove_database_bytes" in told

    @pytest.mark.parametrize(("given", "status"), [("right", 200), ("wrong", 403), ("", 403)])
    def test_a_token_lets_prometheus_in(self, client: Client, settings, given: str, status: int):
        settings.METRICS_TOKEN = "right"
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {given}"})
        assert answer.status_code == status

    def test_without_one_an_empty_token_opens_nothing(self, client: Client, settings):
        settings.METRICS_TOKEN = ""
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403


class TestSystemPage:
    def test_it_shows_who_works_and_what_failed(self, root: Client, monkeypatch):
        worker = enqueue.WorkerProcess("gpu@one", ["gpu"], ["A100, 80 GB"], ["maskgrove.train"])
        monkeypatch.setattr(system.enqueue, "workers", lambda: [worker])
        monkeypatch.setattr(system, "queues", lambda: {"gpu": 3})
        StageRun.objects.create(round=RoundFactory(), stage="train", state="failed", error="No room.")
        page = root.get("/system/").content.decode()
        for said in ("gpu@one", "A100, 80 GB", "maskgrove.train", "No room.", "Retry"):
            assert said in page

    def test_a_failed_stage_is_tried_again(self, root: Client, monkeypatch):
        run = StageRun.objects.create(round=RoundFactory(), stage="train", state="failed", error="No room.")
        root.post(reverse("dashboards:retry_stage", args=[run.pk]))
        run = StageRun.objects.get()
        assert (run.state, run.round.carry_on_to) == ("waiting", "train")

    @pytest.mark.parametrize(("wanted", "then"), [("open", "open"), ("", "detect"), ("train", "detect")])
    def test_what_follows_is_what_was_wanted_and_no_more(self, root: Client, wanted: str, then: str):
        round_ = RoundFactory(carry_on_to=wanted)
        run = StageRun.objects.create(round=round_, stage="detect", state="failed", error="No room.")
        root.post(reverse("dashboards:retry_stage", args=[run.pk]))
        round_.refresh_from_db()
        assert round_.carry_on_to == then

    def test_what_failed_does_not_vanish_behind_what_is_done(self, root: Client, monkeypatch):
        monkeypatch.setattr(system.enqueue, "workers", list)
        round_ = RoundFactory()
        StageRun.objects.create(
            round=round_, stage="train", state="failed", error="No room.", heartbeat_at=NOON
        )
        for _ in range(system.RECENT):
            later = NOON + timedelta(hours=1)
            StageRun.objects.create(round=RoundFactory(), stage="train", state="done", heartbeat_at=later)
        assert "No room." in root.get("/system/").content.decode()

    def test_jobs_that_failed_are_shown_and_tried_again(self, root: Client, monkeypatch):
        sent: list[tuple[str, int]] = []
        monkeypatch.setattr(system.enqueue, "workers", list)
        monkeypatch.setattr(enqueue, "send", lambda task, pk, **_: sent.append((task, pk)))
        round_ = RoundFactory()
        project, ended = round_.project, {"state": "failed", "error": "No room."}
        failed = {
            "import": project.imports.create(source="place", shares={}, asked_at=NOON, **ended),
            "export": project.exports.create(format="coco", include="accepted", asked_at=NOON, **ended),
            "estimate": Estimate.objects.create(round=round_, **ended),
            "comparison": project.comparisons.create(round=round_, asked_at=NOON, **ended),
            "deletion": Deletion.objects.create(
                project=1, slug="gone", name="Gone", asked_at=NOON, keeps_answers=False, **ended
            ),
        }
        project.exports.create(format="coco", include="all", asked_at=NOON, state="done")
        page = root.get("/system/").content.decode()
        assert page.count("No room.") == 5
        assert "Gone" in page
        for kind, job in failed.items():
            root.post(reverse("dashboards:retry_job", args=[kind, job.pk]))
            job.refresh_from_db()
            assert (job.state, job.error) == ("waiting", "")
        assert [pk for _, pk in sent] == [job.pk for job in failed.values()]
        again = root.post(reverse("dashboards:retry_job", args=["export", failed["export"].pk]), follow=True)
        assert "Only what failed or was stopped" in again.content.decode()
        assert root.post("/system/jobs/none/1/retry/").status_code == 404

    def test_a_job_of_an_archived_project_stays_as_it_is(self, root: Client, monkeypatch):
        monkeypatch.setattr(system.enqueue, "workers", list)
        project = ProjectFactory(state="archived")
        export = project.exports.create(
            format="coco", include="all", asked_at=NOON, state="failed", error="No."
        )
        root.post(reverse("dashboards:retry_job", args=["export", export.pk]))
        export.refresh_from_db()
        assert export.state == "failed"
        assert system.background.work() == []

    def test_buckets_are_named(self, monkeypatch):
        class Bucket:
            bucket_name, location = "facades", "site/images"

        monkeypatch.setattr(system, "storages", dict.fromkeys(system.STORAGES, Bucket()))
        assert system.buckets()[0] == ("images", "s3://facades/site/images")
        assert system.rooms() == []

    def test_workers_of_one_name_are_one_that_serves_all_their_queues(self, monkeypatch):
        answers = {
            "active_queues": [
                {"celery@a": [{"name": "io"}]},
                {"celery@a": [{"name": "gpu"}, {"name": "io"}]},
                {"cpu@b": [{"name": "cpu"}]},
            ],
            "active": [{"celery@a": []}, {"celery@a": [{"name": "maskgrove.train"}]}, {"cpu@b": []}],
            "gpus": [{"celery@a": ["H100"]}, {"celery@a": ["H100"]}, {"cpu@b": {"error": "unknown"}}],
        }
        monkeypatch.setattr(enqueue.client().control, "broadcast", lambda what, **_: answers[what])
        assert enqueue.workers() == [
            enqueue.WorkerProcess("celery@a", ["gpu", "io"], ["H100"], ["maskgrove.train"]),
            enqueue.WorkerProcess("cpu@b", ["cpu"], [], []),
        ]
        assert enqueue.served_queues() == {"cpu", "gpu", "io"}

    def test_nobody_is_there_where_nobody_answers(self, root: Client, monkeypatch):
        monkeypatch.setattr(enqueue.client().control, "broadcast", lambda *_, **__: None)
        assert (enqueue.workers(), enqueue.served_queues()) == ([], frozenset())
        page = root.get("/system/").content.decode()
        assert "--queues io --concurrency 4 --hostname io@%h" in page

    def test_it_says_so_when_the_broker_is_away(self, root: Client, monkeypatch, settings):
        settings.REDIS_URL = "redis://localhost:1/0"
        monkeypatch.setattr(system.enqueue, "workers", list)
        page = root.get("/system/", {"live": ""}).content.decode()
        assert "the broker is away" in page
        assert "No worker answers" in page


class TestRequestIds:
    def test_each_response_has_its_own(self, client: Client):
        first, second = (client.get("/healthz").headers["X-Request-ID"] for _ in range(2))
        assert first != second

    @pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b\nc", False), ("x" * 65, False)])
    def test_a_proxys_is_kept_if_it_can_stand_in_a_log(self, client: Client, given: str, kept: bool):
        answer = client.get("/healthz", headers={"X-Request-ID": given.replace("\n", "")})
        assert (answer.headers["X-Request-ID"] == given) is kept

    def test_lines_of_a_log_carry_it(self):
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.addFilter(requests.RequestIdFilter())
        handler.setFormatter(JsonFormatter("{request_id}{message}", style="{"))
        log = logging.Logger("one")
        log.addHandler(handler)
        token = requests.current.set("abc")
        log.warning("said")
        requests.current.reset(token)
        log.warning("later")
        assert [json.loads(line)["request_id"] for line in out.getvalue().splitlines()] == ["abc", "-"]
