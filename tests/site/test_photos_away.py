"""Photos whose storage is away, or whose file is gone: no page breaks, and the log names the file."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone

from annotation_site.catalog import kept_photos, photos
from annotation_site.catalog.models import Image, Mask, Project
from annotation_site.file_storage import storages_at
from annotation_site.people.models import GoldItem
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Item
from tests.scene_campaigns import scene_campaign
from tests.site.buckets import KEYS

pytestmark = pytest.mark.django_db

CLOSED = "s3://photos?endpoint_url=http://127.0.0.1:9&region_name=us-east-1"
"""A bucket of a server that nobody runs."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its first item is open; all photos are one file's."""
    found = scene_campaign(tmp_path)
    claim_hit(membership=found.member, at=timezone.now())
    return found.project


def item_crop(_project: Project) -> str:
    return f"/crops/{Item.objects.first().key}.jpg"


def whole(_project: Project) -> str:
    return f"/crops/{Item.objects.first().key}/whole.jpg"


def thumbnail(project: Project) -> str:
    return f"/projects/{project.slug}/masks/{Mask.objects.first().pk}.jpg"


def photo(project: Project) -> str:
    return f"/projects/{project.slug}/images/{Mask.objects.first().image_id}.jpg"


def gold(project: Project) -> str:
    return f"/projects/{project.slug}/workers/gold/{GoldItem.objects.first().pk}.jpg"


def api_crop(project: Project) -> str:
    return f"/api/v1/projects/{project.slug}/masks/{Mask.objects.first().pk}/crop"


def api_photo(project: Project) -> str:
    return f"/api/v1/projects/{project.slug}/images/{Mask.objects.first().image_id}/photo"


def api_gold(project: Project) -> str:
    return f"/api/v1/projects/{project.slug}/gold/{GoldItem.objects.first().pk}/crop"


everywhere = pytest.mark.parametrize(
    "address", [item_crop, whole, thumbnail, photo, gold, api_crop, api_photo, api_gold]
)


@everywhere
def test_a_storage_that_is_away_is_told_as_such_and_the_photo_comes_when_it_is_back(
    admin_client: Client,
    project: Project,
    address: Callable[[Project], str],
    settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    paths = dict(Image.objects.values_list("pk", "path"))
    Image.objects.update(path="ab/cd/photo.png")
    there = settings.STORAGES
    settings.STORAGES = {**there, **storages_at(CLOSED, **KEYS)}
    url = address(project)
    answer = admin_client.get(url)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "max-age" not in answer.headers.get("Cache-Control", "")
    assert "ab/cd/photo.png of image" in caplog.text
    assert "see to the storage" in caplog.text
    settings.STORAGES = there
    for pk, path in paths.items():
        Image.objects.filter(pk=pk).update(path=path)
    assert admin_client.get(url).headers["Content-Type"] == "image/jpeg"


def test_programs_read_a_problem(admin_client: Client, project: Project, monkeypatch) -> None:
    def away(_photo: Image) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(photos, "_open", away)
    answer = admin_client.get(api_photo(project))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "storage-away"


@everywhere
def test_a_file_that_is_gone_is_not_found_and_the_log_names_it(
    admin_client: Client,
    project: Project,
    address: Callable[[Project], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    Image.objects.update(path="ab/cd/photo.png")
    assert admin_client.get(address(project)).status_code == 404
    assert "ab/cd/photo.png of image" in caplog.text
    assert "restore the file" in caplog.text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file"), photos.PhotoGone),
        (FileNotFoundError("The bucket has no such object"), photos.PhotoGone),
        (PermissionError(errno.EACCES, "Permission denied"), photos.StorageAway),
        (OSError(errno.ESTALE, "Stale file handle"), photos.StorageAway),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), photos.StorageAway),
        (OSError("image file is truncated"), photos.PhotoBroken),
        (SyntaxError("broken PNG file"), photos.PhotoBroken),
    ],
    ids=str,
)
def test_what_may_pass_is_told_from_what_stays(monkeypatch, error: Exception, kind: type[Exception]) -> None:
    def fail(_photo: Image) -> None:
        raise error

    monkeypatch.setattr(photos, "_open", fail)
    with pytest.raises(photos.PhotoUnreadable) as raised:
        photos.render(Image(path="a.png", width=1, height=1), photos.Frame(0, 0, 1, 1), longest=1)
    assert raised.type is kind


@pytest.mark.parametrize("broken", ["open", "save"])
def test_a_photo_that_cannot_be_kept_is_shown_all_the_same(
    settings, bucket: str, monkeypatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    settings.STORAGES = {**settings.STORAGES, **storages_at(bucket, **KEYS)}

    def away(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(storages["crops"], broken, away)
    with caplog.at_level(logging.WARNING):
        assert kept_photos.kept("a/one.jpg", lambda: b"photo") == b"photo"
    assert "a/one.jpg" in caplog.text


def test_a_full_disk_shows_the_photo_and_leaves_nothing_half_written(monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert kept_photos.kept("full/one.jpg", lambda: b"photo") == b"photo"
    assert not list(Path(storages["crops"].location, "full").iterdir())
