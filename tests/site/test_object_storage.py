"""Everything that the stages leave may lie in a bucket, and only what is read is fetched from it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from annotation_site.catalog import kept_photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import DetectionShard, Image, Role
from annotation_site.catalog.originals import keep
from annotation_site.catalog.photos import render
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import read_shard
from annotation_site.file_storage import storages_at
from annotation_site.object_storage import Ranges
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.models import Question
from tests.site.buckets import KEYS
from tests.site.painted_projects import painted_project


@pytest.fixture
def in_a_bucket(settings, bucket: str) -> None:
    settings.STORAGES = {**settings.STORAGES, **storages_at(bucket, **KEYS)}


def test_without_a_url_files_are_under_var(tmp_path: Path) -> None:
    found = storages_at("", var=tmp_path)
    assert {alias: backend["OPTIONS"]["location"] for alias, backend in found.items()} == {
        alias: tmp_path / alias for alias in ("images", "artifacts", "crops")
    }


@pytest.mark.parametrize("url", ["/srv/files", "file:///srv/files"])
def test_a_url_may_be_a_folder(url: str, tmp_path: Path) -> None:
    found = storages_at(url, var=tmp_path)
    assert found["images"]["OPTIONS"]["location"] == Path("/srv/files/images")


@pytest.mark.parametrize("url", ["ftp://somewhere", "s3://", "s3://bucket?acl=public"])
def test_what_is_no_such_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="STORAGE_URL"):
        storages_at(url, var=tmp_path)


def test_only_the_ranges_that_are_read_are_fetched(in_a_bucket: None, monkeypatch) -> None:
    storages["artifacts"].save("large", ContentFile(bytes(range(256)) * 4096 * 8))
    fetched = []
    real = Ranges.readinto
    monkeypatch.setattr(Ranges, "readinto", lambda self, b: fetched.append(n := real(self, b)) or n)
    with storages["artifacts"].open("large") as file:
        file.seek(5_000_001)
        assert file.read(3) == bytes([5_000_001 % 256, 5_000_002 % 256, 5_000_003 % 256])
        file.seek(-1, 2)
        assert file.read() == b"\xff"
    assert sum(fetched) < 3 << 20


def test_an_image_in_a_bucket_is_rendered(in_a_bucket: None, tmp_path: Path, db: None) -> None:
    image = painted_project(tmp_path).images.first()
    image.path = keep(Path(image.path), digest="ab" * 32, suffix=".png")
    assert render(image, Frame(0, 0, image.width, image.height), longest=64).startswith(b"\xff\xd8")


def test_rendered_photos_are_kept_and_pruned(in_a_bucket: None) -> None:
    made = []
    for _ in range(2):
        assert kept_photos.kept("a/b/one.jpg", lambda: made.append(1) or b"photo") == b"photo"
    assert made == [1]
    assert kept_photos.prune(at=timezone.now()) == 0
    assert kept_photos.prune(at=timezone.now() + timedelta(days=3)) == 1
    kept_photos.kept("a/b/one.jpg", lambda: made.append(1) or b"photo")
    assert made == [1, 1]


@pytest.mark.django_db(transaction=True)
def test_a_project_is_carried_to_its_questions(in_a_bucket: None, tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.INITIAL: 3, Role.HELDOUT: 3, Role.POOL: 4}, k_pa=0.05)
    for image in Image.objects.filter(project=project):
        image.path = keep(Path(image.path), digest=f"{image.pk:064x}", suffix=".png")
        image.save()
    carry_on(current_round(project))
    assert Question.objects.filter(project=project, wanted__gt=0).exists()
    shard = DetectionShard.objects.filter(role=Role.POOL).get()
    with read_shard(shard) as reader:
        assert np.isfinite(reader.features("attention", slice(0, reader.size))).all()
    assert not (tmp_path / "artifacts").exists()
