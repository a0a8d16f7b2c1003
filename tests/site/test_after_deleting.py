"""What stays of a deleted project and who reads it; deletions that are stopped or fail; ways to delete."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import ApiToken, Scope
from annotation_site.audit.models import Entry
from annotation_site.budget import ledger
from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog import jobs
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Mask, Project
from annotation_site.catalog.storage import artifacts
from annotation_site.closing import hanging
from annotation_site.closing.archiving import take_out
from annotation_site.closing.deleting import goods_of, run_deletion
from annotation_site.closing.models import Deletion
from annotation_site.closing.obstacles import obstacles
from annotation_site.closing.statements import owed_on
from annotation_site.people.models import Worker
from annotation_site.verification.models import Judgment
from maskgrove_client import Maskgrove
from tests.factories import ImageFactory, ProjectFactory
from tests.site.api_ground import ApiGround, bearer
from tests.site.campaigns import opened, project_with_tree
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


class TestWhatStays:
    def test_the_ledger_and_a_statement_of_what_was_paid_to_whom(self, ground, archived):
        before = list(LedgerEntry.objects.order_by("pk").values())
        spend = ledger.spend_of(archived)
        answers = Judgment.objects.filter(worker__name="Ben").count()
        deletion = deleted(archived, by=ground.owner)
        assert list(LedgerEntry.objects.order_by("pk").values()) == before
        lines = {line.name: line for line in deletion.lines.all()}
        ben = lines["Ben"]
        assert (ben.questions, float(ben.earned), float(ben.paid)) == (answers, 2 + 0.01 * answers, 1.0)
        assert answers >= 4
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
            assert client.get("/deletions/", {"before": "9" * 40}).status_code == 200
            assert client.get(address, {"after": "9" * 40}).status_code == status
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

    @pytest.mark.parametrize("state", ["waiting", "running"])
    def test_it_is_stopped_and_goes_on(self, ground, archived, state):
        deletion, client = asked(archived, keep_answers=False, by=ground.owner), Client()
        client.force_login(ground.owner)
        address = f"/deletions/{deletion.pk}/"

        def stop(*_: object) -> None:
            client.post(f"{address}change/", {"do": "stop"})

        if state == "waiting":
            stop()
        run_deletion(deletion, also=stop)
        deletion.refresh_from_db()
        assert (deletion.state, Project.objects.exists(), Mask.objects.exists()) == ("stopped", True, True)
        assert not jobs.unattended(Deletion).exists()
        assert "Go on" in client.get(address).content.decode()
        client.post(f"{address}change/", {"do": "go on"})
        tasks.delete_project(deletion.pk)
        assert (begun().state, Project.objects.exists()) == ("done", False)

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
        client.post(f"/deletions/{deletion.pk}/change/", {"do": "go on"})
        run_deletion(deletion)
        assert deletion.state == "done"
        assert artifacts().open(deletion.answers).read() == kept
        assert list(deletion.lines.values()) == lines


class TestWays:
    def test_on_the_page_owners_type_the_name(self, ground, archived):
        client = Client()
        client.force_login(ground.owner)
        page = f"/projects/{archived.slug}/archive/"
        told = client.get(page).content.decode()
        assert "Delete for good" in told
        assert owed_on(archived) > 0
        assert f"{owed_on(archived):.2f} USD are owed to workers" in told
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
            assert "It is in use: archive it first." in project.foresee_deletion()["obstacles"]
            project.archive()
            project.take_out()
            project.archive()
            assert [one["slug"] for one in site.projects(archived=True)] == [ground.project.slug]
            with pytest.raises(Exception, match="Type the name"):
                project.delete(name="x")
            asked_for = project.delete(name=ground.project.name, keep_answers=False)
            assert (asked_for["state"], asked_for["keeps_answers"]) == ("waiting", False)
            assert site.stop_deletion(asked_for["id"])["state"] == "stopped"
            assert site.go_on_with_deletion(asked_for["id"])["state"] == "waiting"
            tasks.resume_deletions()
            tasks.delete_project(asked_for["id"])
            done = site.deletion(asked_for["id"])
            assert (done["state"], next(site.deletions())) == ("done", done)
            lines = list(site.statement(asked_for["id"]))
            assert sum(Decimal(line["earned"]) for line in lines) == Decimal(done["totals"]["earned"])
            assert {line["name"] for line in lines} == {"Ada", "Ben"}

    def test_what_would_go_and_what_stands_in_the_way_is_told_before(self, ground, archived, client):
        url = f"/api/v1/projects/{archived.slug}/archive"
        ImageFactory(project=archived, path="/home/me/a.png")
        found = client.get(url, headers={"Authorization": bearer(ground.owner)}).json()
        goods = goods_of(archived)
        assert (found["images"], found["in_place"], found["masks"]) == (goods.images, 1, goods.masks)
        assert (found["answers"], found["exports"], found["obstacles"]) == (goods.answers, goods.exports, [])
        assert Decimal(found["owed"]) == owed_on(archived) > 0
        take_out(project=archived)
        told = client.get(url, headers={"Authorization": bearer(ground.owner)}).json()["obstacles"]
        assert told == obstacles(archived) != []
        for user, scope in ((ground.owner, Scope.WRITE), (User.objects.get(username="other"), Scope.ADMIN)):
            assert client.get(url, headers={"Authorization": bearer(user, scope)}).status_code == 403

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
