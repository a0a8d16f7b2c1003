"""Artifacts are there whole or not at all, on a disk and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.storage import InMemoryStorage, storages

from annotation_site.catalog.storage import (
    delete_artifacts,
    local_copy,
    local_folder,
    reading,
    writing,
)
from annotation_site.file_storage import storages_at
from tests.site.buckets import KEYS


@pytest.fixture(params=["disk", "elsewhere", "bucket"])
def storage(request: pytest.FixtureRequest, settings, tmp_path: Path):
    if request.param == "bucket":
        settings.STORAGES = {**settings.STORAGES, **storages_at(request.getfixturevalue("bucket"), **KEYS)}
        return storages["artifacts"]
    backend = {
        "disk": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        },
        "elsewhere": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }[request.param]
    settings.STORAGES = {**settings.STORAGES, "artifacts": backend}
    return storages["artifacts"]


def stored(name: str, content: bytes) -> None:
    with writing(name) as file:
        file.write(content)


def test_what_was_written_is_read(storage) -> None:
    stored("a/b/shard", b"abc")
    with reading("a/b/shard") as file:
        file.seek(1)
        assert file.read() == b"bc"


def test_writing_again_replaces(storage) -> None:
    stored("shard", b"first")
    stored("shard", b"second")
    with reading("shard") as file:
        assert file.read() == b"second"
    assert storage.listdir("") == ([], ["shard"])


def test_a_write_that_fails_leaves_what_was_there(storage) -> None:
    stored("shard", b"first")
    with pytest.raises(ZeroDivisionError), writing("shard") as file:
        file.write(b"sec" * (1 // 0))
    with reading("shard") as file:
        assert file.read() == b"first"
    assert storage.listdir("") == ([], ["shard"])


def test_folders_are_deleted_whole(storage) -> None:
    for name in ("round/1/a", "round/1/deep/b", "round/10/c"):
        stored(name, b"x")
    delete_artifacts("round/1")
    delete_artifacts("never/was")
    assert not storage.exists("round/1/a")
    assert not storage.exists("round/1/deep/b")
    with pytest.raises(FileNotFoundError), reading("round/1/a"):
        pass
    assert storage.exists("round/10/c")


def test_a_local_copy_is_a_file(storage) -> None:
    stored("models/model.pt", b"weights")
    with local_copy("models/model.pt") as path:
        assert (path.name, path.read_bytes()) == ("model.pt", b"weights")


def test_a_local_folder_keeps_what_is_left_in_it_even_when_it_fails(storage) -> None:
    with pytest.raises(ZeroDivisionError), local_folder("model") as local:
        _ = (local.path / "checkpoint").write_bytes(b"10") / 0
    with local_folder("model") as local:
        assert (local.path / "checkpoint").read_bytes() == b"10"
        (local.path / "model").write_bytes(b"done")
    with reading("model/model") as file:
        assert file.read() == b"done"


def test_a_local_folder_is_kept_on_the_way_and_forgets_what_is_removed(storage) -> None:
    with local_folder("model") as local:
        for content in (b"first", b"second"):
            (local.path / "checkpoint").write_bytes(content)
            local.keep()
            with reading("model/checkpoint") as file:
                assert file.read() == content
        (local.path / "checkpoint").unlink()
    assert not storage.exists("model/checkpoint")


def test_files_of_another_storage_that_did_not_change_are_not_sent_again(settings, monkeypatch) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "artifacts": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    stored("model/checkpoint", b"10")
    sent = []
    monkeypatch.setattr(InMemoryStorage, "save", lambda self, name, content: sent.append(name))
    with local_folder("model") as local:
        (local.path / "new").write_bytes(b"1")
        local.keep()
    assert sent == ["model/new"]


def test_an_artifact_may_be_read_by_others_as_the_umask_says(settings, tmp_path: Path) -> None:
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": backend}
    stored("shard", b"x")
    (tmp_path / "plain").touch()
    assert (tmp_path / "shard").stat().st_mode == (tmp_path / "plain").stat().st_mode
