"""Rendered photos are kept: whole or not at all, and rendered once."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse

from annotation_site.catalog import photos
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import Mask
from annotation_site.dashboards.thumbnails import thumbnail
from tests import factories


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    """An empty "crops" storage."""
    crops = {**settings.STORAGES["crops"], "OPTIONS": {"location": tmp_path / "crops"}}
    settings.STORAGES = {**settings.STORAGES, "crops": crops}
    return tmp_path / "crops"


@pytest.fixture
def rendered(monkeypatch) -> list[int]:
    """The images of which something was rendered."""
    images: list[int] = []
    render = photos.render
    monkeypatch.setattr(
        photos,
        "render",
        lambda photo, *args, **kwargs: images.append(photo.pk) or render(photo, *args, **kwargs),
    )
    return images


def painted_mask(tmp_path: Path) -> Mask:
    tree = factories.TreeFactory()
    image = factories.PaintedImageFactory(project=tree.round.project, folder=tmp_path, width=320, height=240)
    return factories.MaskFactory(tree=tree, image=image)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestKeeping:
    def test_a_photo_is_rendered_once(self, folder):
        calls = []
        for _ in range(3):
            assert kept("a/photo.jpg", lambda: calls.append(1) or b"jpeg") == b"jpeg"
        assert len(calls) == 1
        assert files(folder) == [folder / "a/photo.jpg"]

    def test_what_cannot_be_rendered_leaves_nothing(self, folder):
        with pytest.raises(ZeroDivisionError):
            kept("a/photo.jpg", lambda: b"" * (1 // 0))
        assert files(folder) == []

    def test_a_write_that_fails_leaves_nothing_unfinished_and_costs_no_photo(self, folder, monkeypatch):
        def full(*_: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        assert kept("a/photo.jpg", lambda: b"jpeg") == b"jpeg"
        assert files(folder) == []

    def test_who_renders_at_the_same_time_replaces_like_by_like(self):
        def render() -> bytes:
            kept("a/photo.jpg", lambda: b"jpeg")
            return b"jpeg"

        assert kept("a/photo.jpg", render) == b"jpeg"
        assert Path(storages["crops"].path("a/photo.jpg")).read_bytes() == b"jpeg"


@pytest.mark.django_db
class TestThumbnails:
    def test_a_thumbnail_is_rendered_once_and_then_needs_no_original(
        self, admin_client: Client, tmp_path, rendered
    ):
        mask = painted_mask(tmp_path)
        url = reverse("dashboards:thumbnail", args=[mask.tree.round.project.slug, mask.pk])
        first = admin_client.get(url).content
        Path(mask.image.path).unlink()
        assert admin_client.get(url).content == first
        assert rendered == [mask.image_id]

    def test_a_kept_thumbnail_is_shown_to_none_but_admins(self, client: Client, tmp_path):
        mask = painted_mask(tmp_path)
        thumbnail(mask)
        url = reverse("dashboards:thumbnail", args=[mask.tree.round.project.slug, mask.pk])
        assert client.get(url).headers["Location"].startswith("/login/")

    def test_its_name_says_mask_and_size(self, folder, tmp_path):
        mask = painted_mask(tmp_path)
        thumbnail(mask)
        (file,) = files(folder)
        assert file.name.startswith(f"{mask.pk}-240-")

    @pytest.mark.parametrize("change", [{"x": 200.0}, {"digest": "f" * 64}])
    def test_a_mask_of_the_same_number_in_a_new_database_is_not_taken_for_it(
        self, folder, tmp_path, rendered, change
    ):
        mask = painted_mask(tmp_path)
        thumbnail(mask)
        for name, value in change.items():
            setattr(mask if hasattr(mask, name) else mask.image, name, value)
        thumbnail(mask)
        assert len(rendered) == len(files(folder)) == 2
