"""Uploads that several processes begin, finish, import and discard at the same moment."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from django.db import transaction

from annotation_site.catalog import steps
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.preparing import imports, uploads
from annotation_site.preparing.models import ImportRun, UploadedFile
from annotation_site.preparing.uploads import Announced, UploadRefused
from tests.factories import NOON, ProjectFactory
from tests.site.bringing_in import POOL, uploaded
from tests.site.campaigns import on_own_connection, together, until_waiting
from tests.site.coco_folders import CocoFolder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_storages")]

MANY = 8


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    (tmp_path / "given").mkdir()
    return CocoFolder(tmp_path / "given").picture("a.png", seed=1).read_bytes()


def begun(project: Project, name: str, size: int) -> ImportRun:
    listed = [Announced(name, size)]
    return imports.begin_upload(project=project, files=listed, wish=POOL, by=None, at=NOON)


def test_uploads_that_begin_at_once_stay_below_the_limit(project, settings):
    settings.UPLOAD_LIMIT = 100
    found = together([partial(begun, project, f"{number}.png", 60) for number in range(MANY)])
    assert sum(isinstance(one, ImportRun) for one in found) == 1
    assert sum(isinstance(one, UploadRefused) for one in found) == MANY - 1


def test_a_list_that_is_announced_twice_at_once_is_one_upload(project):
    found = together([partial(begun, project, "a.png", 60)] * MANY)
    assert {one.pk for one in found} == {ImportRun.objects.get().pk}
    assert UploadedFile.objects.count() == 1


def test_going_on_with_an_upload_that_is_finished_meanwhile_does_not_undo_that(project):
    run = begun(project, "a.png", 5)
    uploads.receive(file=run.files.get(), at=0, content=io.BytesIO(b"whole"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ImportRun.objects.select_for_update().get()
            again = pool.submit(on_own_connection, partial(begun, project, "a.png", 5))
            until_waiting(1)
            uploads.finish(run)
        again.result()
    run.refresh_from_db()
    assert run.state == "waiting"


def test_an_upload_that_is_finished_as_it_is_pruned_is_kept(project):
    run = begun(project, "a.png", 5)
    uploads.receive(file=run.files.get(), at=0, content=io.BytesIO(b"whole"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            uploads.finish(run)
            pruned = pool.submit(on_own_connection, partial(uploads.prune, at=NOON + timedelta(days=8)))
            until_waiting(1)
        assert pruned.result() == 0
    assert artifacts().exists(uploads.piece_name(run.files.get(), 0))
    assert ImportRun.objects.get().state == "waiting"


def test_an_import_that_begins_as_it_is_discarded_keeps_its_files_until_it_ended(
    project, picture, monkeypatch
):
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)
    run = uploaded(project, {"a.png": picture})
    began, go_on = Event(), Event()

    def watch(*_: object) -> None:
        began.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(on_own_connection, partial(imports.run_import, run, also=watch))
        began.wait()
        assert not imports.discard(run)
        assert artifacts().exists(uploads.piece_name(run.files.get(), 0))
        go_on.set()
        assert running.result().state == "stopped"
    assert imports.discard(run)
    assert not ImportRun.objects.exists()
    assert not artifacts().exists(uploads.folder_of(run))


def test_a_piece_that_comes_as_its_upload_is_discarded_is_not_kept(project):
    run = begun(project, "a.png", 5)
    file = run.files.get()

    class Discarded(io.BytesIO):
        def read(self, *size: int | None) -> bytes:
            imports.discard(run)
            return super().read(*size)

    with pytest.raises(UploadRefused, match="was discarded"):
        uploads.receive(file=file, at=0, content=Discarded(b"whole"))
    assert not artifacts().exists(uploads.piece_name(file, 0))


def test_files_that_a_finished_import_had_no_time_to_forget_are_forgotten_later(project, picture):
    run = uploaded(project, {"a.png": picture})
    ImportRun.objects.update(state="done")
    assert uploads.prune(at=NOON) == 0
    assert not artifacts().exists(f"{uploads.folder_of(run)}/files")
    assert ImportRun.objects.get() == run
    assert not UploadedFile.objects.exists()
