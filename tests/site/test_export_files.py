"""Exports in the background: written once, by one process, stopped, taken over, downloaded, deleted."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog import jobs, steps
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.dashboards import exports
from annotation_site.results import export_files
from annotation_site.results.export_files import (
    UnknownFormat,
    ask_for_export,
    delete_export,
    retry_export,
    stop_export,
    write_export,
)
from annotation_site.results.formats.choice import Choice
from annotation_site.results.models import ExportFile
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import together
from tests.site.verified_projects import verified
from workers import stopping, tasks

pytestmark = pytest.mark.django_db(transaction=True)


def asked(project: Project | None = None, name: str = "coco") -> ExportFile:
    project = project or verified([True] * 32)
    return ask_for_export(project=project, format_name=name, choice=Choice(), by=None, at=NOON)


def test_the_file_is_kept_with_its_checksum_and_what_made_it():
    export = write_export(asked())
    with artifacts().open(export.path) as file:
        content = file.read()
    assert export.state == "done"
    assert (export.entries, export.size) == (32, len(content))
    assert export.sha256 == hashlib.sha256(content).hexdigest()
    assert len(json.loads(content)["annotations"]) == 32


@pytest.mark.parametrize("choice", [("csv2", "accepted"), ("coco", "some")])
def test_what_cannot_be_exported_is_refused(choice: tuple[str, str]):
    with pytest.raises(UnknownFormat):
        ask_for_export(
            project=ProjectFactory(), format_name=choice[0], choice=Choice(choice[1]), by=None, at=NOON
        )


def test_one_that_somebody_is_at_is_left_alone():
    export = asked()
    with Claims() as claims:
        claims.take(Kind.EXPORT, export.pk)
        assert write_export(export).state == "waiting"
        assert not jobs.unattended(ExportFile).exists()
    assert jobs.unattended(ExportFile).get() == export


def test_one_whose_process_died_is_written_by_the_next():
    export = asked()
    ExportFile.objects.update(state="running", done=3)
    tasks.write_export(export.pk)
    assert ExportFile.objects.get().state == "done"


def test_a_finished_one_is_not_written_again():
    export = write_export(asked())
    before = export.path
    assert write_export(export).path == before


def test_a_stop_ends_it_between_two_pieces_and_keeps_nothing(monkeypatch):
    export = asked()
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)

    def stopping(*_: object) -> None:
        together([partial(stop_export, export, at=NOON)])

    assert write_export(export, also=stopping).state == "stopped"
    assert ExportFile.objects.get().path == ""
    tasks.write_export(export.pk)
    assert ExportFile.objects.get().state == "stopped"


def test_one_that_ends_its_processes_again_and_again_is_given_up():
    export = asked()
    ExportFile.objects.update(state="running", deaths=2)
    assert write_export(export).state == "failed"
    assert export.error.endswith("Once that is put right, ask for it again.")


def test_a_worker_that_is_told_to_end_leaves_it_to_the_next(monkeypatch):
    export = asked()
    with monkeypatch.context() as shutdown:
        shutdown.setattr(stopping.ENDING, "is_set", lambda: True)
        tasks.write_export(export.pk)
    assert ExportFile.objects.get().state == "waiting"
    tasks.write_export(export.pk)
    assert ExportFile.objects.get().state == "done"


def test_more_than_may_be_written_at_once_wait_for_their_turn():
    export = asked()
    with Claims() as others:
        for turn in range(export_files.MOST_AT_ONCE):
            assert others.take(Kind.EXPORT_TURN, turn)
        assert write_export(export).state == "waiting"
        assert jobs.unattended(ExportFile).get() == export
    assert write_export(export).state == "done"


def test_a_failure_is_told(monkeypatch):
    monkeypatch.setattr(
        export_files, "writing", lambda _name: (_ for _ in ()).throw(OSError("No room left."))
    )
    export = write_export(asked())
    assert (export.state, export.error) == ("failed", "No room left.")
    assert not jobs.unattended(ExportFile).exists()


def test_one_that_failed_is_written_anew_and_no_other(monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(export_files, "writing", lambda _name: (_ for _ in ()).throw(OSError("No room left.")))
        export = write_export(asked())
    assert retry_export(export)
    assert ExportFile.objects.values_list("state", "error").get() == ("waiting", "")
    assert not retry_export(export)
    done = write_export(ExportFile.objects.get())
    assert (done.state, done.entries) == ("done", 32)
    assert not retry_export(done)
    assert ExportFile.objects.get().sha256 == done.sha256


def test_deleting_takes_the_file_along():
    export = write_export(asked())
    delete_export(export)
    assert not ExportFile.objects.exists()
    assert not artifacts().exists(export.path)


def test_lost_messages_are_sent_again(monkeypatch):
    export, sent = asked(), []
    monkeypatch.setattr(tasks.enqueue, "write_export", sent.append)
    tasks.resume_exports()
    assert sent == [export.pk]


class TestPage:
    @pytest.fixture
    def admin(self, client: Client) -> Client:
        client.force_login(User.objects.create_superuser("root"))
        return client

    def test_an_export_is_asked_for_watched_and_downloaded(self, admin: Client):
        project = verified([True] * 32)
        page = reverse("dashboards:exports", args=[project.slug])
        admin.post(
            reverse("dashboards:ask_for_export", args=[project.slug]),
            {"format": "yolo", "include": "accepted"},
        )
        export = ExportFile.objects.get()
        assert "YOLO" in admin.get(page).content.decode()
        tasks.write_export(export.pk)
        listed = admin.get(page, {"list": ""}).content.decode()
        assert ExportFile.objects.get().sha256 in listed
        answer = admin.get(reverse("dashboards:download", args=[project.slug, export.pk]))
        assert b"".join(answer.streaming_content)[:2] == b"PK"
        assert ".zip" in answer.headers["Content-Disposition"]

    @pytest.mark.parametrize(
        ("state", "offered"), [("failed", 1), ("stopped", 1), ("waiting", 0), ("done", 0)]
    )
    def test_what_came_to_nothing_is_tried_again_by_a_button(
        self, admin: Client, state, offered, monkeypatch
    ):
        export, sent = asked(ProjectFactory()), []
        monkeypatch.setattr(exports.enqueue, "write_export", sent.append)
        ExportFile.objects.update(state=state, error="No room left.")
        slug = export.project.slug
        page = admin.get(reverse("dashboards:exports", args=[slug])).content.decode()
        assert page.count('value="again"') == offered
        admin.post(reverse("dashboards:end_export", args=[slug, export.pk]), {"verb": "again"})
        assert ExportFile.objects.get().state == ("waiting" if offered else state)
        assert sent == [export.pk] * offered

    def test_viewers_download_and_ask_for_nothing(self, client: Client):
        export = write_export(asked())
        viewer = User.objects.create_user("vi")
        grant(project=export.project, user=viewer, access=Access.VIEWER)
        client.force_login(viewer)
        slug = export.project.slug
        assert client.get(reverse("dashboards:download", args=[slug, export.pk])).status_code == 200
        assert client.post(reverse("dashboards:ask_for_export", args=[slug])).status_code == 403
        assert "New export" not in client.get(reverse("dashboards:exports", args=[slug])).content.decode()

    def test_another_projects_export_is_not_there(self, client: Client):
        export, other = write_export(asked()), ProjectFactory()
        owner = User.objects.create_user("o")
        grant(project=other, user=owner, access=Access.OWNER)
        client.force_login(owner)
        assert client.get(reverse("dashboards:download", args=[other.slug, export.pk])).status_code == 404
        assert client.post(reverse("dashboards:end_export", args=[other.slug, export.pk])).status_code == 404
        assert ExportFile.objects.exists()
