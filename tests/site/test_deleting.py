"""Deleting a project: what it needs, all of it gone, and the files that others have too."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.db import connection
from django.test import Client

from annotation_site import enqueue
from annotation_site.budget import ledger
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.clustering import claim_number
from annotation_site.catalog.importing import import_images
from annotation_site.catalog.models import Image, Mask, Project, Role, StageRun
from annotation_site.catalog.projects import ProjectDiffers, create_project
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.storage import artifacts
from annotation_site.closing import hanging
from annotation_site.closing.archiving import take_out
from annotation_site.closing.deleting import (
    CannotDelete,
    NotConfirmed,
    ask_for_deletion,
    goods_of,
    run_deletion,
)
from annotation_site.closing.models import Deletion
from annotation_site.closing.obstacles import obstacles
from annotation_site.marketplaces.models import Listing
from annotation_site.people.models import Worker
from annotation_site.results.export_files import ask_for_export
from annotation_site.results.formats.choice import Choice
from annotation_site.verification import leases
from annotation_site.verification.answering import UnknownItem
from annotation_site.verification.models import Judgment
from pipeline.coco import CocoCategory
from tests.factories import NOON, ImageFactory, PaintedImageFactory, ProjectFactory
from tests.site.api_ground import ApiGround
from tests.site.campaigns import Person, items, opened, project_with_tree
from tests.site.deletions import asked, begun, deleted, put_away, rich_ground, settle
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "send", lambda *_, **__: None)


@pytest.fixture
def ground() -> ApiGround:
    return rich_ground()


@pytest.fixture
def archived(ground: ApiGround) -> Project:
    settle(ground.project)
    return put_away(ground.project)


class TestWhatItNeeds:
    def test_the_projects_name(self, archived):
        for typed in ("", archived.slug, archived.name.lower() + "!"):
            with pytest.raises(NotConfirmed, match=archived.name):
                ask_for_deletion(project=archived, name=typed, keep_answers=True, by=None, at=NOON)
        assert not Deletion.objects.exclude(slug="doors").exists()

    def test_an_archived_project(self, ground):
        with pytest.raises(CannotDelete, match="archive it first"):
            asked(ground.project)

    def test_no_page_of_work_that_is_open(self):
        project = opened(project_with_tree([True] * 64, hit_size=5))
        Person.of(project).open()
        with pytest.raises(CannotDelete, match="One page of work is open"):
            asked(put_away(project))

    def test_nothing_live_on_a_marketplace(self, archived):
        listing = Listing.objects.get()
        posting = listing.postings.create(number=2, places=1)
        worker = Worker.objects.first()
        held = listing.submissions.create(posting=posting, worker=worker, external_id="s", arrived_at=NOON)
        action = listing.actions.create(kind="approve", reference="a", asked_at=NOON, due_at=NOON)
        with pytest.raises(CannotDelete, match=r"One place .* is held.*One thing is still to be told"):
            asked(archived)
        held.delete()
        action.delete()
        assert obstacles(archived) == []

    @pytest.mark.parametrize(
        ("kind", "what"), [(Kind.STAGE, "stages"), (Kind.IMPORT, "imports"), (Kind.TREE, "clustering")]
    )
    def test_nobody_at_work_on_it(self, archived, kind, what):
        run = StageRun.objects.get(round=current_round(archived))
        tree = claim_number(run.round_id, archived.categories.first().pk, Role.POOL)
        with Claims() as claims:
            claims.take(kind, {Kind.STAGE: run.pk, Kind.IMPORT: archived.pk, Kind.TREE: tree}[kind])
            with pytest.raises(CannotDelete, match=f"still at work on it: {what}"):
                asked(archived)
        assert obstacles(archived) == []

    def test_no_export_that_is_to_be_written(self, archived):
        ask_for_export(project=archived, format_name="coco", choice=Choice(), by=None, at=NOON)
        with pytest.raises(CannotDelete, match="exports"):
            asked(archived)

    def test_it_is_asked_for_once(self, archived):
        asked(archived)
        with pytest.raises(CannotDelete, match="already"):
            asked(archived)


class TestWhileItIsDeleted:
    def test_it_exists_for_nobody_and_comes_out_no_more(self, ground, archived):
        browser = Client()
        browser.force_login(User.objects.create_superuser("root"))
        asked(archived)
        assert browser.get(f"/projects/{archived.slug}/").status_code == 404
        assert ground.client().get(ground.url("projects/{slug}")).status_code == 404
        assert archived.slug not in browser.get("/?archived").content.decode()
        with pytest.raises(tasks.ProjectArchived, match="being deleted"):
            take_out(project=archived)

    def test_no_money_moves_on_it(self, archived):
        asked(archived)
        with pytest.raises(ledger.BudgetSpent):
            ledger.give_bonus(project=archived, money=Decimal("0.01"), reference="late", note="x", at=NOON)

    def test_no_answer_comes_too_late(self):
        project = opened(project_with_tree([True] * 64, hit_size=5))
        ada = Person.of(project)
        page = ada.open()
        late = items(page)[0]
        leases.sweep(at=NOON + timedelta(hours=1))
        asked(put_away(project))
        with pytest.raises(UnknownItem):
            ada.answer(late)

    def test_its_name_is_taken_until_it_is_gone(self, archived):
        asked(archived)
        categories = [CocoCategory(1, "window")]
        with pytest.raises(ProjectDiffers, match="being deleted"):
            create_project(name=archived.name, categories=categories)
        run_deletion(begun())
        assert create_project(name=archived.name, categories=categories).new


class TestWhatGoes:
    def test_no_row_of_it_is_left_and_none_of_another_project_is_missing(self, archived):
        other = opened(project_with_tree([True] * 64, gold=4, hit_size=5))
        Person.of(other).work()
        below = hanging.tables()
        before = {table.model: table.rows(other).count() for table in below}
        assert sum(1 for table in below if table.rows(archived).exists()) >= 25
        assert deleted(archived).state == "done"
        assert [table.model for table in below if table.rows(archived).exists()] == []
        assert {table.model: table.rows(other).count() for table in below} == before
        assert Project.objects.get() == other

    def test_every_reference_to_what_goes_is_known_and_found_by_an_index(self):
        with connection.cursor() as cursor:
            cursor.execute(REFERENCES)
            found = cursor.fetchall()
        known = {table.model._meta.db_table for table in hanging.tables()}
        assert {refers for refers, _, to, _ in found if to in known} - known == set()
        slow = {(refers, column) for refers, column, to, indexed in found if to in known and not indexed}
        few = {("verification_question", "category_id")}
        assert slow == few, (
            "There are few categories; for each of other rows, a whole table would be looked through."
        )

    def test_few_rows_go_in_one_transaction(self, archived, monkeypatch):
        monkeypatch.setattr(hanging, "BATCH", 7)
        told: list[tuple[int, int]] = []
        run_deletion(asked(archived), also=lambda done, total, message="": told.append((done, total)))
        steps = [after - before for (before, _), (after, _) in pairwise(told)]
        assert max(steps) <= 7
        assert told[-1][0] == told[-1][1]
        assert not Mask.objects.exists()

    def test_its_files_go_and_those_of_the_user_stay(self, archived, tmp_path):
        folder = tmp_path / "given"
        folder.mkdir()
        mine = PaintedImageFactory(project=archived, folder=folder, name="mine.png")
        kept = f"projects/{archived.pk}/rounds/1/shards/pool-00000.npz"
        deleted(archived)
        assert Path(mine.path).exists()
        assert not artifacts().exists(kept)
        assert not Path(storages["artifacts"].path(f"projects/{archived.pk}")).exists()

    def test_an_image_that_another_project_has_stays_until_that_goes_too(self, tmp_path):
        one, other = ProjectFactory(), ProjectFactory()
        PaintedImageFactory.build(folder=tmp_path, name="a.png", width=64, height=48).path  # noqa: B018
        for project in (one, other):
            import_images(project=project, folder=tmp_path, roles=RoleShares.all(Role.POOL))
        path = Image.objects.filter(project=one).get().path
        assert Image.objects.filter(project=other).get().path == path
        deleted(put_away(one))
        assert storages["images"].exists(path)
        deleted(put_away(other))
        assert not storages["images"].exists(path)

    def test_what_goes_and_stays_is_told_before(self, archived):
        ImageFactory(project=archived, path="/home/me/a.png")
        goods = goods_of(archived)
        images = archived.images.count()
        answered = Judgment.objects.count()
        assert (goods.images, goods.in_place, goods.exports) == (images - 1, 1, 0)
        assert (goods.masks, goods.answers) == (Mask.objects.count(), answered)


REFERENCES = """
SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, EXISTS (
  SELECT 1 FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid JOIN pg_am m ON m.oid = k.relam
  WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND m.amname = 'btree' AND (
    i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname)))
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f'
"""
"""Each foreign key: its table and column, the table that it refers to, whether an index begins with it."""
