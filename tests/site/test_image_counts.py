"""How many images there are of each role: counted by the database, in the transaction that changes them."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from annotation_site.catalog.models import Image, ImageCount, Project, Role
from annotation_site.catalog.roles import image_counts, kept_counts
from annotation_site.closing import hanging
from annotation_site.closing.deleting import goods_of
from annotation_site.verification.checking import check_campaign
from pipeline.progress import silent
from tests.factories import ImageFactory, ProjectFactory
from tests.site.campaigns import counted_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    ImageFactory.create_batch(3, project=project)
    ImageFactory.create_batch(2, project=project, role=Role.INITIAL)
    return project


def counted(project: Project) -> dict[str, int]:
    """By going through all of them."""
    there = Counter(project.images.values_list("role", flat=True))
    return {role: there[role] for role in Role.values}


def test_images_are_counted_as_they_come(project):
    assert image_counts(project) == counted(project) == {"initial": 2, "heldout": 0, "pool": 3}
    some = [ImageFactory.build(project=project, role=role) for role in (*Role, Role.POOL)]
    Image.objects.bulk_create([*some, ImageFactory.build(project=ProjectFactory())])
    assert image_counts(project) == counted(project) == {"initial": 3, "heldout": 1, "pool": 5}


def test_images_are_counted_out_as_they_go_and_change(project):
    project.images.filter(role=Role.INITIAL).delete()
    assert image_counts(project) == counted(project) == {"initial": 0, "heldout": 0, "pool": 3}
    project.images.update(coco_id=None)
    first = project.images.first()
    assert first is not None
    first.role = Role.HELDOUT
    first.save()
    assert image_counts(project) == counted(project) == {"initial": 0, "heldout": 1, "pool": 2}


def test_images_that_were_left_where_they_are_are_counted_among_them(project):
    some = [ImageFactory.build(project=project, path=f"/photos/{n}.png") for n in range(3)]
    Image.objects.bulk_create([*some, ImageFactory.build(project=project)])
    assert kept_counts(project) == {"initial": (2, 0), "heldout": (0, 0), "pool": (7, 3)}
    first, second, _ = project.images.filter(path__startswith="/")
    Image.objects.filter(pk=first.pk).update(role=Role.INITIAL)
    Image.objects.filter(pk=second.pk).update(path="images/b.png")
    assert kept_counts(project) == {"initial": (3, 1), "heldout": (0, 0), "pool": (6, 1)}
    project.images.filter(path__startswith="/").delete()
    assert kept_counts(project) == {"initial": (2, 0), "heldout": (0, 0), "pool": (5, 0)}


def test_what_is_rolled_back_was_never_counted(project):
    before = image_counts(project)
    with transaction.atomic():
        ImageFactory.create_batch(2, project=project)
        transaction.set_rollback(True)
    assert image_counts(project) == before


def test_a_project_that_goes_takes_its_counts_along(project):
    other = ProjectFactory()
    ImageFactory(project=other)
    hanging.remove(project, silent)
    assert list(ImageCount.objects.values_list("project", "images")) == [(other.pk, 1)]
    other.delete()
    assert not ImageCount.objects.exists()


def test_a_check_finds_counts_that_are_wrong(project):
    assert check_campaign(project) == []
    ImageCount.objects.filter(role=Role.POOL).update(images=7)
    (found,) = check_campaign(project)
    assert found == "every image is counted by its role: 7 pool images are counted, there are 3"
    ImageCount.objects.filter(role=Role.POOL).update(images=3, in_place=2)
    (found,) = check_campaign(project)
    assert found == "every image is counted by its role: 2 pool images in place are counted, there are 0"


def test_pages_do_not_count_a_million_images(project, client):
    client.force_login(User.objects.create_superuser("ada"))
    project.state = Project.State.ARCHIVED
    project.save()
    for path in ("", "setup/", "setup/?part=steps", "archive/"):
        with counted_queries() as statements:
            assert client.get(f"/projects/{project.slug}/{path}").status_code == 200
        assert not [sql for sql in statements if "COUNT" in sql and 'FROM "catalog_image" ' in sql]
    assert goods_of(project).images == 5


def test_images_that_were_there_before_are_counted(project):
    migration = import_module("annotation_site.catalog.migrations.0010_image_counts")
    later = import_module("annotation_site.catalog.migrations.0012_images_in_place")
    ImageFactory(project=project, path="/photos/a.png")
    before = kept_counts(project)
    ImageCount.objects.update(in_place=0)
    with connection.cursor() as cursor:
        cursor.execute(later.THERE)
        assert kept_counts(project) == before
        ImageCount.objects.all().delete()
        cursor.execute(migration.THERE)
    assert image_counts(project) == {role: images for role, (images, _) in before.items()}
