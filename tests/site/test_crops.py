"""The photos of a HIT over HTTP: by random key alone, cached for good, gold as any other."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from annotation_site.catalog import kept_photos, photos
from annotation_site.pages import crops
from annotation_site.people.members import invite
from annotation_site.people.models import Membership
from annotation_site.people.qualification import attempts
from annotation_site.people.qualification.models import Lesson
from annotation_site.people.standing import GoldRecord
from annotation_site.verification.answering import record_answer
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment
from tests.factories import NOON, CategoryFactory, ProjectFactory
from tests.scene_campaigns import scene_campaign
from tests.site.campaigns import record_of
from tests.site.lessons import add_lessons, asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def hit(tmp_path) -> Assignment:
    return claim_hit(membership=scene_campaign(tmp_path).member, at=timezone.now())


def test_a_crop_is_a_jpeg_of_the_size_that_the_page_was_told(client, hit):
    for item in hit.items.all():
        response = client.get(f"/crops/{item.key}.jpg")
        assert response.headers["Content-Type"] == "image/jpeg"
        subject = crops.subject_of(item.question)
        assert Image.open(BytesIO(response.content)).size == crops.frame_of(subject).fitted(crops.CROP_SIDE)


def test_the_whole_photo_can_be_had(client, hit):
    item = hit.items.first()
    response = client.get(f"/crops/{item.key}/whole.jpg")
    assert Image.open(BytesIO(response.content)).size == (256, 256)


def test_browsers_may_keep_a_crop_for_good(client, hit):
    response = client.get(f"/crops/{hit.items.first().key}.jpg")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in response.headers
    again = client.get(
        f"/crops/{hit.items.first().key}.jpg", headers={"If-None-Match": response.headers["ETag"]}
    )
    assert again.status_code == 304


def test_a_crop_is_rendered_once(client, hit, monkeypatch):
    rendered = []
    render = photos.render
    monkeypatch.setattr(
        photos, "render", lambda *args, **kwargs: rendered.append(1) or render(*args, **kwargs)
    )
    first, again = (client.get(f"/crops/{hit.items.first().key}.jpg").content for _ in range(2))
    assert first == again
    assert len(rendered) == 1


def test_a_kept_crop_needs_neither_database_nor_original(client, hit, django_assert_num_queries):
    item = hit.items.first()
    client.get(f"/crops/{item.key}.jpg")
    Path(crops.subject_of(item.question).image.path).unlink()
    with django_assert_num_queries(0):
        assert client.get(f"/crops/{item.key}.jpg").status_code == 200


def test_each_item_is_cold_at_first_though_its_mask_was_shown_before(client, hit, tmp_path):
    """Else gold, which is shown to one worker after the other, would come faster than real masks."""
    item = hit.items.first()
    client.get(f"/crops/{item.key}.jpg")
    before = item.key
    item.key = uuid4()
    item.save()
    kept = Path(storages["crops"].location)
    assert list(kept.rglob(f"{before}*"))
    assert not list(kept.rglob(f"{item.key}*"))


OF_EACH_ANSWER = ("Content-Length", "ETag", "X-Request-ID")
"""Headers that differ between any two photos, of gold or not."""


def test_gold_and_real_are_served_alike(client, hit):
    seen: dict[bool, set[str]] = {}
    for item in hit.items.select_related("question"):
        response = client.get(f"/crops/{item.key}.jpg")
        headers = {name: value for name, value in response.headers.items() if name not in OF_EACH_ANSWER}
        seen.setdefault(item.question.gold_id is not None, set()).add(str((response.status_code, headers)))
    assert set(seen) == {True, False}
    assert seen[True] == seen[False]
    assert len(seen[True]) == 1


@pytest.mark.parametrize("url", ["/crops/{}.jpg", "/crops/{}/whole.jpg"])
def test_an_unknown_key_has_no_photo(client, hit, url):
    assert client.get(url.format(uuid4())).status_code == 404
    assert client.get(url.format("17")).status_code == 404


def test_an_original_that_is_gone_is_logged_and_not_kept(client, hit, caplog):
    item = hit.items.first()
    Path(crops.subject_of(item.question).image.path).unlink()
    assert client.get(f"/crops/{item.key}.jpg").status_code == 404
    assert "restore the file" in caplog.text
    assert not list(Path(storages["crops"].location).rglob(f"{item.key}*"))


def gold_answered(client, hit: Assignment, says: str, *, photo: str = "gone") -> GoldRecord:
    """What is known of a worker who says the same of a HIT's gold, its photos being there or gone."""
    gold = [item for item in hit.items.select_related("question__gold__image") if item.question.gold]
    for item in gold:
        if photo == "gone":
            Path(item.question.gold.image.path).unlink(missing_ok=True)
        client.get(f"/crops/{item.key}.jpg")
        record_answer(item_key=item.key, assignment_id=hit.pk, says=says, elapsed_ms=1, at=timezone.now())
    assert gold
    return record_of(Membership.objects.get(project=hit.project_id, worker=hit.worker_id)).gold


def test_nobody_is_blamed_for_not_telling_what_they_could_not_see(client, hit):
    assert gold_answered(client, hit, "unsure").answered == 0


def test_who_cannot_tell_what_they_saw_or_judges_what_they_did_not_see_is_on_record(client, hit, tmp_path):
    assert gold_answered(client, hit, "unsure", photo="there").wrong > 0
    other = claim_hit(membership=scene_campaign(tmp_path, seed=1).member, at=timezone.now())
    assert gold_answered(client, other, "yes").answered > 0


def test_crops_of_long_ago_are_deleted_and_rendered_again(client, hit):
    old, new = hit.items.all()[:2]
    for item in (old, new):
        client.get(f"/crops/{item.key}.jpg")
    now = timezone.now()
    two_days_ago = (now - kept_photos.KEEP).timestamp() - 1
    (place,) = Path(storages["crops"].location).rglob(f"{old.key}.jpg")
    os.utime(place, (two_days_ago, two_days_ago))
    assert kept_photos.prune(at=now) == 1
    assert not place.exists()
    assert list(Path(storages["crops"].location).rglob(f"{new.key}.jpg"))
    assert client.get(f"/crops/{old.key}.jpg").status_code == 200


@pytest.mark.parametrize(
    ("opened", "status", "is_left_out"),
    [
        (OSError(errno.EMFILE, "Too many open files"), 503, False),
        (FileNotFoundError("The bucket has no such object"), 404, False),
        (BytesIO(b"no image"), 404, True),
    ],
    ids=["no handle", "not there", "broken"],
)
def test_only_a_broken_photo_leaves_its_question_out_of_the_test_for_everyone(
    client, monkeypatch, opened, status, is_left_out
):
    project = ProjectFactory()
    CategoryFactory(project=project)
    add_lessons(project)
    item = asked(attempts.begin_attempt(membership=invite(project=project, name="Ada"), at=NOON))[0]

    def found(_photo):
        if isinstance(opened, Exception):
            raise opened
        return opened

    monkeypatch.setattr(photos, "_open", found)
    assert client.get(reverse("pages:test-crop", args=[item.key])).status_code == status
    item.refresh_from_db()
    assert item.unseen_at is not None
    assert (Lesson.objects.get(pk=item.lesson_id).left_out_at is not None) is is_left_out
