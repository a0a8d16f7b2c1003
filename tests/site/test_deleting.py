"""Deleting a project: what it needs, all of it gone, what stays, and the files that others have too."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import ApiToken, Scope
from annotation_site.audit.models import Entry
from annotation_site.budget import ledger
from annotation_site.budget.caps import set_caps
from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog import jobs
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.importing import import_images
from annotation_site.catalog.models import (
    Image,
    KnownObject,
    Mask,
    Project,
    Replacement,
    Role,
    StageRun,
)
from annotation_site.catalog.projects import ProjectDiffers, create_project
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.storage import artifacts, writing
from annotation_site.closing import hanging
from annotation_site.closing.archiving import archive, take_out
from annotation_site.closing.deleting import (
    CannotDelete,
    NotConfirmed,
    ask_for_deletion,
    goods_of,
    run_deletion,
)
from annotation_site.closing.models import Deletion
from annotation_site.closing.obstacles import obstacles
from annotation_site.marketplaces.accounts import note_payment
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.people.models import Worker
from annotation_site.results.export_files import ask_for_export
from annotation_site.results.formats.choice import Choice
from annotation_site.verification import leases
from annotation_site.verification.answering import UnknownItem
from annotation_site.verification.models import Judgment, Overruling
from annotation_site.webhooks import webhooks
from annotation_site.webhooks.models import Kind as Told
from maskgrove_client import Maskgrove
from pipeline.coco import CocoCategory
from tests.factories import NOON, ImageFactory, PaintedImageFactory, ProjectFactory
from tests.site.api_ground import ApiGround, bearer
from tests.site.campaigns import Person, items, opened, project_with_tree
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "send", lambda *_, **__: None)


@pytest.fixture
def ground() -> ApiGround:
    """A campaign that is half done and paid, with something in most tables."""
    ground = ApiGround.laid()
    project = ground.project
    set_caps(project=project, questions=None, money=Decimal(100), pay_per_question=Decimal("0.01"))
    ben = Person.of(project, "Ben")
    ben.work()
    ledger.give_bonus(
        project=project, money=Decimal(2), reference="b", note="x", payee=ben.member.worker_id, at=NOON
    )
    note_payment(membership=ben.member, money=Decimal(1), by="owner", once=uuid4(), at=NOON)
    masks = list(Mask.objects.all()[:2])
    KnownObject.objects.create(round=current_round(project), mask=masks[0])
    Replacement.objects.create(mask=masks[1], earlier=masks[0], iou=0.8)
    webhooks.add_webhook(
        project=project, url="https://1.1.1.1/", kinds=Told.values, description="", by=None, at=NOON
    )
    tokens.issue(user=ground.owner, name="x", scope=Scope.READ, at=NOON, projects=[project])
    Overruling.objects.update(replaced_by=Overruling.objects.get())
    with writing(f"projects/{project.pk}/rounds/1/shards/pool-00000.npz") as file:
        file.write(b"x")
    return ground


def settle(project: Project) -> None:
    """Have nothing of it wait any more: no export, nothing on a marketplace."""
    project.exports.all().delete()
    Submission.objects.filter(listing__project=project).update(state="approved")
    Action.objects.filter(listing__project=project).update(failed_at=None, done_at=NOON)


@pytest.fixture
def archived(ground: ApiGround) -> Project:
    project = ground.project
    settle(project)
    archive(project=project, at=NOON)
    return project


def asked(project: Project, *, keep_answers: bool = True, by: User | None = None) -> Deletion:
    return ask_for_deletion(project=project, name=project.name, keep_answers=keep_answers, by=by, at=NOON)


def deleted(project: Project, **options: object) -> Deletion:
    return run_deletion(asked(project, **options))


def begun() -> Deletion:
    """The only one that a test asked for; the ground has an earlier one."""
    return Deletion.objects.exclude(slug="doors").get()


def put_away(project: Project) -> Project:
    archive(project=project, at=NOON)
    return project


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
        with pytest.raises(CannotDelete, match="1 pages of work are open"):
            asked(put_away(project))

    def test_nothing_live_on_a_marketplace(self, archived):
        listing = Listing.objects.get()
        posting = listing.postings.create(number=1, places=1)
        worker = Worker.objects.first()
        held = listing.submissions.create(posting=posting, worker=worker, external_id="s", arrived_at=NOON)
        action = listing.actions.create(kind="approve", reference="a", asked_at=NOON, due_at=NOON)
        with pytest.raises(CannotDelete, match=r"1 places .* are held.*1 things are still to be told"):
            asked(archived)
        held.delete()
        action.delete()
        assert obstacles(archived) == []

    @pytest.mark.parametrize(("kind", "what"), [(Kind.STAGE, "stages"), (Kind.IMPORT, "imports")])
    def test_nobody_at_work_on_it(self, archived, kind, what):
        run = StageRun.objects.get(round=current_round(archived))
        with Claims() as claims:
            claims.take(kind, {Kind.STAGE: run.pk, Kind.IMPORT: archived.pk}[kind])
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


class TestWhatStays:
    def test_the_ledger_and_a_statement_of_what_was_paid_to_whom(self, ground, archived):
        before = list(LedgerEntry.objects.order_by("pk").values())
        spend = ledger.spend_of(archived)
        deletion = deleted(archived, by=ground.owner)
        assert list(LedgerEntry.objects.order_by("pk").values()) == before
        lines = {line.name: line for line in deletion.lines.all()}
        ben, answers = lines["Ben"], 5
        assert (ben.questions, float(ben.earned), float(ben.paid)) == (answers, 2 + 0.01 * answers, 1.0)
        assert lines["Ada"].questions == spend.questions - answers
        assert sum(line.earned + line.fees for line in lines.values()) == spend.money
        assert Entry.objects.filter(project_id=deletion.project, what="marketplaces.Payment").exists()

    def test_the_answer_log_unless_one_does_without(self, archived):
        answers = Judgment.objects.count()
        deletion = deleted(archived)
        with artifacts().open(deletion.answers) as file:
            rows = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
        assert len(rows) == answers
        assert {row["provider"] for row in rows} == {"link"}

    def test_it_may_be_waived(self, archived):
        assert deleted(archived, keep_answers=False).answers == ""

    def test_owners_read_it_and_nobody_else(self, ground, archived):
        deletion = deleted(archived, by=ground.owner)
        address = f"/deletions/{deletion.pk}/"
        for user, status in ((ground.owner, 200), (User.objects.get(username="other"), 404)):
            client = Client()
            client.force_login(user)
            got = [client.get(f"{address}{part}").status_code for part in ("", "?part", "statement.csv")]
            assert got == [status] * 3
            assert client.get(f"{address}answers.csv").status_code == status
            assert (deletion.name in client.get("/deletions/").content.decode()) == (status == 200)
        client = Client()
        client.force_login(ground.owner)
        told = b"".join(client.get(f"{address}statement.csv")).decode()
        assert "Ben,link" in told

    def test_workers_and_what_they_did_elsewhere(self, archived):
        other = opened(project_with_tree([True] * 64, hit_size=5))
        worker = Worker.objects.get(name="Ben")
        other.members.create(worker=worker, standing="qualified")
        deleted(archived)
        assert worker.memberships.get().project == other


class TestGoingOn:
    def test_one_that_somebody_is_at_is_left_alone(self, archived):
        deletion = asked(archived)
        with Claims() as claims:
            claims.take(Kind.DELETION, deletion.pk)
            assert run_deletion(deletion).state == "waiting"
            assert not jobs.unattended(Deletion).exists()
        tasks.delete_project(deletion.pk)
        assert begun().state == "done"

    def test_what_stays_is_written_once(self, archived, monkeypatch):
        def broken(project, tell):
            Judgment.objects.all().delete()
            raise OSError("The disk is full")

        deletion = asked(archived)
        with monkeypatch.context() as patched:
            patched.setattr(hanging, "remove", broken)
            run_deletion(deletion)
        assert (deletion.state, "The disk is full" in deletion.error) == ("failed", True)
        kept = artifacts().open(deletion.answers).read()
        lines = list(deletion.lines.values())
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        assert "The disk is full" in client.get(f"/deletions/{deletion.pk}/").content.decode()
        client.post(f"/deletions/{deletion.pk}/again/")
        run_deletion(deletion)
        assert deletion.state == "done"
        assert artifacts().open(deletion.answers).read() == kept
        assert list(deletion.lines.values()) == lines


class TestWays:
    def test_on_the_page_owners_type_the_name(self, ground, archived):
        client = Client()
        client.force_login(ground.owner)
        page = f"/projects/{archived.slug}/archive/"
        assert "Delete for good" in client.get(page).content.decode()
        wrong = client.post(f"/projects/{archived.slug}/delete/", {"name": "x"})
        assert (wrong.status_code, "Type the name" in wrong.content.decode()) == (409, True)
        right = client.post(f"/projects/{archived.slug}/delete/", {"name": archived.name})
        deletion = begun()
        assert right.headers["Location"] == f"/deletions/{deletion.pk}/"
        assert (deletion.asked_by, deletion.keeps_answers) == ("owner", True)

    def test_admins_may_not(self, archived):
        admin = User.objects.create_user("admin")
        grant(project=archived, user=admin, access=Access.ADMIN)
        client = Client()
        client.force_login(admin)
        assert "Delete for good" not in client.get(f"/projects/{archived.slug}/archive/").content.decode()
        posted = client.post(f"/projects/{archived.slug}/delete/", {"name": archived.name})
        assert posted.status_code == 403

    def test_by_the_client(self, ground, live_server):
        settle(ground.project)
        with Maskgrove(live_server.url, bearer(ground.owner).removeprefix("Bearer ")) as site:
            project = site.project(ground.project.slug)
            with pytest.raises(Exception, match="archive it first"):
                project.delete(name=ground.project.name)
            project.archive()
            project.take_out()
            project.archive()
            assert [one["slug"] for one in site.projects(archived=True)] == [ground.project.slug]
            with pytest.raises(Exception, match="Type the name"):
                project.delete(name="x")
            asked_for = project.delete(name=ground.project.name, keep_answers=False)
            assert (asked_for["state"], asked_for["keeps_answers"]) == ("waiting", False)
            tasks.resume_deletions()
            tasks.delete_project(asked_for["id"])
            done = site.deletion(asked_for["id"])
            assert (done["state"], next(site.deletions())) == ("done", done)
            lines = list(site.statement(asked_for["id"]))
            assert sum(Decimal(line["earned"]) for line in lines) == Decimal(done["totals"]["earned"])
            assert {line["name"] for line in lines} == {"Ada", "Ben"}

    def test_a_token_for_some_projects_sees_no_statement(self, ground, archived):
        deletion = deleted(archived, by=ground.owner)
        another = ProjectFactory()
        grant(project=another, user=ground.owner, access=Access.OWNER)
        for given, status in (({}, 200), ({"scope": Scope.READ}, 403), ({"projects": [another]}, 404)):
            client = Client(headers={"Authorization": bearer(ground.owner, **given)})
            assert client.get(f"/api/v1/deletions/{deletion.pk}").status_code == status
        assert ApiToken.objects.filter(is_restricted=True, projects=None).exists()

    def test_by_command(self, archived, monkeypatch, capsys):
        with pytest.raises(CommandError, match="Type the name"):
            call_command("delete_project", archived.slug, "--name", "x")
        monkeypatch.setattr("builtins.input", lambda _: archived.name)
        call_command("delete_project", archived.slug)
        told = capsys.readouterr().out
        assert f"{begun().name} is deleted." in told
        assert "copied here" in told
        assert not Project.objects.exists()


REFERENCES = """
SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, EXISTS (
  SELECT 1 FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid JOIN pg_am m ON m.oid = k.relam
  WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL AND m.amname = 'btree')
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f'
"""
"""Each foreign key: its table and column, the table that it refers to, whether an index begins with it."""
