"""Every change by people is in the log with who, when, from what to what; the database keeps it so."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation_site.access.granting import grant, invite
from annotation_site.access.models import Access, Grant
from annotation_site.api.models import Scope
from annotation_site.api.tokens import issue
from annotation_site.audit import acting, triggers
from annotation_site.audit.acting import Actor
from annotation_site.audit.models import Entry
from annotation_site.audit.watched import WATCHED, Watched, watched_columns
from annotation_site.budget import caps
from annotation_site.catalog.instructing import set_guide, set_instructions
from annotation_site.catalog.models import OfferedPredictions, Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.dashboards import changes
from annotation_site.marketplaces.models import Action, Listing, Message, Payment
from annotation_site.marketplaces.team import new_code
from annotation_site.people import members
from annotation_site.people.models import Standing
from annotation_site.people.policies import set_policy
from annotation_site.people.standing import change_standing
from annotation_site.preparing.models import ImportRun
from annotation_site.verification.overruling import overrule
from annotation_site.webhooks.webhooks import add_webhook
from tests.factories import NOON, CategoryFactory, ProjectFactory
from tests.site.campaigns import Person, counted_queries, opened, project_with_tree

pytestmark = pytest.mark.django_db

HOT = {
    "catalog_image", "catalog_annotation", "catalog_mask", "catalog_detectionshard", "budget_ledgerentry",
    "verification_question", "verification_item", "verification_judgment", "verification_assignment",
    "verification_cluster", "verification_decision", "webhooks_event", "webhooks_delivery",
}  # fmt: skip


@pytest.fixture
def project() -> Project:
    return ProjectFactory(slug="facades", name="Facades")


def latest(what: str) -> Entry:
    return Entry.objects.filter(what=what).first()


def test_a_change_is_told_with_what_was_and_what_is(project):
    project.k_a = 0.9
    project.save()
    entry = latest("catalog.Project")
    assert (entry.change, entry.before, entry.after) == ("update", {"k_a": 0.85}, {"k_a": 0.9})
    assert (entry.project_id, entry.row, entry.name) == (project.pk, str(project.pk), "Facades")


def test_saving_without_a_change_is_no_change(project):
    before = Entry.objects.count()
    project.save()
    assert Entry.objects.count() == before


@pytest.mark.parametrize("verb", ["UPDATE audit_entry SET who = 'nobody'", "DELETE FROM audit_entry"])
def test_the_database_refuses_to_change_the_log(project, verb):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Entry.objects.all().delete()


def test_the_database_refuses_to_empty_the_log(project):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER audit_is_never_emptied")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE audit_entry")


def test_the_log_outlives_what_it_tells_of(project):
    key = project.pk
    Project.objects.filter(pk=key).delete()
    assert latest("catalog.Project").change == "delete"
    assert latest("catalog.Project").before["slug"] == "facades"
    assert Entry.objects.filter(project_id=key).count() >= 2


def test_what_admins_and_owners_do_is_in_the_log():
    project = opened(project_with_tree([True] * 64))
    ada = User.objects.create_user("ada", is_superuser=True)
    member = members.invite(project=project, name="Bo")
    tree = project.rounds.get().trees.get()
    set_instructions(project=project, text="Look closely.")
    set_guide(category=project.categories.get(), text="With its frame.")
    caps.change_budget(project=project, money=Decimal(50), pay_per_hit=Decimal("0.40"))
    grant(project=project, user=ada, access=Access.OWNER)
    invite(project=project, email="cy@example.org", access=Access.VIEWER, at=NOON)
    new_code(project)
    set_policy(project=project, stop_below=0.7)
    change_standing(membership=member, to=Standing.STOPPED, reason="too fast", by="ada", at=NOON)
    overrule(tree=tree, node=0, verdict="reject", reason="blurred", by=ada, at=NOON)
    add_webhook(
        project=project, url="https://a.example/", kinds=["stage.failed"], description="", by=ada, at=NOON
    )
    told = set(Entry.objects.filter(project_id=project.pk).values_list("what", flat=True))
    assert told >= {
        "catalog.Project", "catalog.Category", "catalog.Round", "budget.Budget", "access.Grant",
        "access.Invitation", "people.JoinLink", "people.Membership", "people.TrustPolicy",
        "people.StandingChange", "verification.Overruling", "webhooks.Webhook",
    }  # fmt: skip
    assert latest("budget.Budget").after == {"money": 50.0, "pay_per_hit": 0.4}
    assert latest("people.StandingChange").name == "Bo"


def test_states_of_stages_are_told_and_their_progress_is_not(project):
    run = StageRun.objects.create(round=current_round(project), stage="train")
    before = Entry.objects.count()
    StageRun.objects.update(done=7, message="Iteration 7", heartbeat_at=NOON)
    assert Entry.objects.count() == before
    StageRun.objects.update(state="failed", error="out of memory", done=8)
    entry = latest("catalog.StageRun")
    assert entry.after == {"state": "failed", "error": "out of memory"}
    assert (entry.name, entry.project_id, entry.row) == ("train", project.pk, str(run.pk))


def test_no_secret_is_in_the_log(project):
    sent = invite(project=project, email="cy@example.org", access=Access.VIEWER, at=NOON)
    code = new_code(project)
    member = members.invite(project=project, name="Bo")
    user = User.objects.create_user("ada", password="orchard-lantern-42")
    hook = add_webhook(
        project=project, url="https://a.example/", kinds=["stage.failed"], description="", by=user, at=NOON
    )
    hook.refresh_from_db()
    secrets = [sent.secret, code.code, member.secret, user.password, hook.secret]
    log = "".join(f"{entry.before} {entry.after} {entry.name}" for entry in Entry.objects.all())
    assert not [secret for secret in secrets if secret in log]
    user.set_password("another-lantern-43")
    user.save()
    assert latest("auth.User").after == {"password": "(hidden)"}


def test_how_people_sign_in_is_in_the_log(project):
    ada = User.objects.create_user("ada")
    address = EmailAddress.objects.create(user=ada, email="ada@example.org")
    EmailAddress.objects.update(verified=True)
    entry = latest("account.EmailAddress")
    assert (entry.name, entry.row) == ("ada", str(address.pk))
    assert (entry.before, entry.after) == ({"verified": False}, {"verified": True})
    SocialAccount.objects.create(
        user=ada, provider="oidc", uid="ada-7", extra_data={"id_token": {"nonce": "n0nce"}}
    )
    entry = latest("socialaccount.SocialAccount")
    assert (entry.name, entry.after["provider"], entry.after["uid"]) == ("ada", "oidc", "ada-7")
    assert "n0nce" not in str(entry.after), "What a provider tells of somebody is theirs."
    before = Entry.objects.count()
    SocialAccount.objects.update(last_login=NOON, extra_data={})
    assert Entry.objects.count() == before
    SocialAccount.objects.all().delete()
    assert latest("socialaccount.SocialAccount").before["uid"] == "ada-7"


def test_the_projects_that_a_token_is_for_are_in_the_log(client, project):
    ada = User.objects.create_user("ada", is_superuser=True)
    token, secret = issue(user=ada, name="nightly export", scope=Scope.READ, at=NOON, projects=[project])
    entry = latest("api.ApiToken_projects")
    assert (entry.change, entry.name, entry.project_id) == ("insert", "nightly export", project.pk)
    assert entry.after["apitoken_id"] == token.pk
    token.projects.clear()
    assert latest("api.ApiToken_projects").change == "delete"
    log = "".join(f"{entry.before} {entry.after}" for entry in Entry.objects.all())
    assert secret not in log
    assert token.digest not in log
    client.force_login(ada)
    page = client.get(reverse("dashboards:history", args=[project.slug])).content.decode()
    assert "project of a token" in page
    assert "nightly export" in page


def test_what_is_brought_in_paid_and_written_is_in_the_log(project):
    ada = User.objects.create_user("ada")
    member = members.invite(project=project, name="Bo")
    run = ImportRun.objects.create(
        project=project,
        source="place",
        place="s3://photos/facades",
        shares={"pool": 1},
        asked_by=ada,
        asked_at=NOON,
    )
    OfferedPredictions.objects.create(
        round=current_round(project),
        folder="r/1",
        results="mine.json",
        size=9,
        offered_by=ada,
        offered_at=NOON,
    )
    Payment.objects.create(membership=member, money=Decimal("2.50"), by="ada", once=uuid4(), at=NOON)
    Message.objects.create(membership=member, text="Your arm?", by="ada", once=uuid4(), at=NOON)
    told = dict(Entry.objects.filter(project_id=project.pk).values_list("what", "name"))
    assert told["preparing.ImportRun"] == "s3://photos/facades"
    assert told["catalog.OfferedPredictions"] == "mine.json"
    assert told["marketplaces.Payment"] == told["marketplaces.Message"] == "Bo"
    assert "arm" not in str(latest("marketplaces.Message").after), "What is written stays between them."
    before = Entry.objects.count()
    ImportRun.objects.filter(pk=run.pk).update(done=7, message="7 of 9")
    assert Entry.objects.count() == before
    ImportRun.objects.filter(pk=run.pk).update(state="running")
    assert latest("preparing.ImportRun").after == {"state": "running"}


def test_of_what_marketplaces_are_told_only_what_people_chose_is_in_the_log(project):
    about = {"provider": "memory", "title": "Outlines", "description": "-", "reward": 1, "places": 1}
    listing = Listing.objects.create(project=project, created_at=NOON, **about)
    for kind in ("approve", "post", "bonus"):
        Action.objects.create(
            listing=listing,
            kind=kind,
            reference=f"{kind}:1",
            money=1,
            reason="Careful",
            asked_at=NOON,
            due_at=NOON,
        )
    entry = Entry.objects.get(what="marketplaces.Action")
    assert (entry.name, entry.after["reason"], entry.project_id) == ("bonus:1", "Careful", project.pk)


class TestWho:
    def test_a_request_is_of_whoever_is_signed_in(self, client: Client, project):
        ada = User.objects.create_user("ada")
        grant(project=project, user=ada, access=Access.OWNER)
        client.force_login(ada)
        url = reverse("dashboards:invite", args=[project.slug])
        answer = client.post(url, {"email": "cy@example.org", "access": "viewer"})
        entry = latest("access.Invitation")
        assert (entry.who, entry.via, entry.user_id) == ("ada", "page", ada.pk)
        assert entry.request == answer.headers["X-Request-ID"]

    def test_someone_who_is_not_signed_in_is_a_visitor(self, client: Client, project):
        Project.objects.update(state="open")
        link = new_code(project)
        client.post(reverse("pages:join", args=[link.code]), {"name": "Bo"})
        assert (latest("people.Membership").who, latest("people.Membership").via) == ("visitor", "visitor")

    def test_a_task_is_told_by_its_name(self, project):
        acting.begin(Actor("maskgrove.train", "task"))
        current_round(project)
        acting.end()
        assert (latest("catalog.Round").who, latest("catalog.Round").via) == ("maskgrove.train", "task")

    def test_a_command_is_told_by_its_name(self, project, monkeypatch):
        monkeypatch.setattr("sys.argv", ["manage.py", "budget", "facades"])
        call_command("budget", "facades", "--money", "12", stdout=io.StringIO())
        assert (latest("budget.Budget").who, latest("budget.Budget").via) == ("manage.py budget", "command")

    def test_what_comes_past_the_site_is_told_by_the_databases_role(self, project):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('maskgrove.acting', '', true)")
            cursor.execute("WITH x AS (SELECT 1) UPDATE catalog_project SET seed = 5")
            cursor.execute("SELECT session_user")
            (role,) = cursor.fetchone()
        assert (latest("catalog.Project").who, latest("catalog.Project").via) == (role, "database")

    @pytest.mark.django_db(transaction=True)
    def test_nobody_is_taken_for_whoever_came_before(self):
        with acting.acting(lambda: Actor("ada", "page")):
            project = ProjectFactory()
        with connection.cursor() as cursor:
            cursor.execute("WITH x AS (SELECT 1) UPDATE catalog_project SET seed = 5")
        assert latest("catalog.Project").via == "database"
        assert Entry.objects.filter(project_id=project.pk, change="insert").first().who == "ada"


class TestTriggers:
    def there(self) -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audit_note'")
            return {table for (table,) in cursor.fetchall()}

    def test_they_are_on_what_is_watched_and_on_nothing_that_is_written_by_the_thousand(self):
        assert self.there() == {one.table for one in WATCHED} == set(watched_columns())
        assert not self.there() & HOT

    def test_they_step_aside_for_migrations_and_come_back(self):
        triggers.remove(using="default")
        assert self.there() == set()
        triggers.install(using="default")
        assert self.there() == {one.table for one in WATCHED}

    def test_what_is_watched_no_more_is_left_alone(self, monkeypatch):
        monkeypatch.setattr(triggers, "WATCHED", WATCHED[:1])
        triggers.install(using="default")
        assert self.there() == {"catalog_project"}

    def test_fields_of_the_list_are_those_of_the_models(self):
        for one in WATCHED:
            names = {field.name for field in one.cls._meta.fields}
            assert {*one.ignore, *one.only, *one.secret} <= names, one.model

    def test_every_secret_of_a_watched_model_is_hidden(self):
        for one in WATCHED:
            for field in one.cls._meta.local_concrete_fields:
                secret = any(word in field.name for word in ("secret", "password", "digest"))
                is_time = isinstance(field, models.DateTimeField)
                assert not secret or is_time or field.column in one.hidden, f"{one.model}.{field.name}"

    def test_a_model_is_watched_by_one_line(self, monkeypatch):
        monkeypatch.setattr(triggers, "WATCHED", (*WATCHED, Watched("auth.Group", name="name")))
        triggers.install(using="default")
        from django.contrib.auth.models import Group

        Group.objects.create(name="vision")
        assert (latest("auth.Group").name, latest("auth.Group").after["name"]) == ("vision", "vision")


def test_answering_tells_nobody_who_is_at_work():
    person = Person.of(opened(project_with_tree([True] * 64, hit_size=5)))
    before = Entry.objects.count()
    with counted_queries() as queries:
        person.open()
        person.work()
    assert not [sql for sql in queries if "maskgrove.acting" in sql]
    assert Entry.objects.count() == before


class TestThePage:
    @pytest.fixture
    def admin(self, client: Client, project: Project) -> Client:
        ada = User.objects.create_user("ada")
        grant(project=project, user=ada, access=Access.ADMIN)
        client.force_login(ada)
        return client

    def get(self, client: Client, project: Project, **asked: object) -> str:
        answer = client.get(reverse("dashboards:history", args=[project.slug]), asked)
        return b"".join(answer).decode() if answer.streaming else answer.content.decode()

    def test_it_tells_names_and_not_keys(self, admin, project):
        CategoryFactory(project=project, name="window")
        page = self.get(admin, project)
        assert "ada" in page
        assert "admin (runs the campaign)" in page
        assert "window" in page

    def test_a_long_text_is_told_by_the_lines_that_differ(self, project):
        set_instructions(project=project, text="\n".join(f"Line {n}" for n in range(30)))
        set_instructions(project=project, text="\n".join(f"Line {n}" for n in range(30) if n != 17))
        (change,) = changes.told(Entry.objects.filter(what="catalog.Project")[:1])
        (line,) = change.lines
        assert line.diff == [("…", ""), (" ", "Line 16"), ("-", "Line 17"), (" ", "Line 18")]

    def test_an_object_is_told_by_its_keys(self, project):
        Project.objects.update(detector_options={"train": {"batch_size": 4}, "device": "cpu"})
        Project.objects.update(detector_options={"train": {"batch_size": 8}, "device": "cpu"})
        (change,) = changes.told(Entry.objects.filter(what="catalog.Project")[:1])
        told = [(line.label, line.before, line.after) for line in change.lines]
        assert told == [("detector options: train.batch_size", "4", "8")]

    def test_it_is_filtered_by_who_and_what(self, admin, project):
        with acting.acting(lambda: Actor("bo", "page")):
            Project.objects.update(seed=4711)
        assert "4711" in self.get(admin, project, who="bo")
        assert "4711" not in self.get(admin, project, who="ada")
        assert "4711" not in self.get(admin, project, what="access.Grant")

    def test_pages_follow_each_other_without_a_gap(self, project):
        for seed in range(1, 121):
            Project.objects.update(seed=seed)
        found = changes.entries(project=project, what="catalog.Project")
        seen, before = [], None
        while True:
            page = changes.page_of(found, before=before)
            seen += [row.entry.pk for row in page.rows]
            before = page.older
            if before is None:
                break
        assert seen == sorted(found.values_list("pk", flat=True), reverse=True)
        assert len(seen) == 121

    def test_other_projects_are_not_told(self, admin, project):
        ProjectFactory(name="Somebody else's")
        assert "Somebody else" not in self.get(admin, project)

    def test_csv_has_a_row_for_each_field_and_no_formula(self, admin, project):
        set_instructions(project=project, text="=HYPERLINK(1)")
        Project.objects.update(seed=-5)
        rows = list(csv.DictReader(io.StringIO(self.get(admin, project, format="csv"))))
        told = {row["field"]: row["after"] for row in reversed(rows) if row["change"] == "update"}
        assert told == {"instructions": "'=HYPERLINK(1)", "seed": "-5"}

    def test_superusers_see_the_whole_site(self, client: Client, project):
        url = reverse("dashboards:site-history")
        client.force_login(User.objects.create_user("root", is_superuser=True))
        page = client.get(url).content.decode()
        assert "Facades" in page
        assert "root" in page
        client.force_login(User.objects.create_user("staff", is_staff=True))
        assert client.get(url).status_code == 403

    def test_entries_of_models_that_are_gone_can_still_be_read(self, admin, project):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_entry (at, who, via, request, project_id, what, row, name, change, before,"
                " after) VALUES (%s, 'ada', 'page', '', %s, 'catalog.Extinct', '1', 'dodo', 'update',"
                " '{\"wings\": 2}', '{\"wings\": 0}')",
                [timezone.now(), project.pk],
            )
        assert "dodo" in self.get(admin, project)


def test_revoked_access_is_told(project):
    ada = User.objects.create_user("ada")
    grant(project=project, user=ada, access=Access.ADMIN)
    Grant.objects.all().delete()
    entry = latest("access.Grant")
    assert (entry.change, entry.name, entry.before["access"]) == ("delete", "ada", "admin")
