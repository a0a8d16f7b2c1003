"""An archived project is only read, by everybody; nobody works on it; it comes out again as it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.audit.models import Entry
from annotation_site.budget import ledger
from annotation_site.budget.caps import set_caps
from annotation_site.catalog import jobs
from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.importing import import_images
from annotation_site.catalog.models import Project, Role, StageRun
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, run_stage
from annotation_site.closing.archiving import archive, take_out
from annotation_site.dashboards.metrics import Facts
from annotation_site.dashboards.overview import overview
from annotation_site.marketplaces import listings
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Submission
from annotation_site.marketplaces.providers import PROVIDERS
from annotation_site.preparing import estimates
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.results.models import ExportFile
from annotation_site.verification import carrying_on, leases
from annotation_site.verification.claiming import CampaignPaused
from annotation_site.verification.models import Judgment
from annotation_site.verification.next_round import start_round
from annotation_site.verification.opening import open_campaign, resume_campaign
from annotation_site.webhooks import delivering, webhooks
from annotation_site.webhooks.models import Delivery, Event, Kind
from annotation_site.webhooks.noting import note
from tests.factories import NOON, ProjectFactory
from tests.site.api_ground import ApiGround
from tests.site.campaigns import Person, items, opened, project_with_tree
from tests.site.offers import open_project, posting_of, published
from workers import tasks

pytestmark = pytest.mark.django_db
OK, FOUND, CONFLICT = 200, 302, 409


@pytest.fixture
def project() -> Project:
    made = opened(project_with_tree([True] * 64, hit_size=5))
    set_caps(project=made, questions=500, money=100, pay_per_question="0.10")
    return made


def signed_in(project: Project, access: Access = Access.ADMIN) -> Client:
    client = Client()
    user = User.objects.create_user(f"{access}-{project.slug}")
    grant(project=project, user=user, access=access)
    client.force_login(user)
    return client


def put_away(project: Project) -> Project:
    archive(project=project, at=NOON)
    return project


class TestWorkers:
    def test_nobody_gets_another_page_of_work(self, project):
        put_away(project)
        with pytest.raises(CampaignPaused):
            Person.of(project).open()

    @pytest.mark.parametrize("way", ["", "start/", "instructions/"])
    def test_their_pages_say_politely_that_the_work_has_ended(self, client, project, way):
        ada = Person.of(project)
        put_away(project)
        send = client.post if way == "start/" else client.get
        page = send(f"/w/{ada.member.secret}/{way}")
        assert (page.status_code, page.headers["X-Notice"]) == (OK, "ended")
        assert "This work has ended" in page.content.decode()

    def test_nobody_joins(self, client, project):
        code = project.join_links.create(code="K7QF-2M9P-XW3D").code
        put_away(project)
        for send in (client.get, client.post):
            assert send(f"/join/{code}/").headers["X-Notice"] == "ended"
        assert not project.members.exists()

    def test_who_holds_a_page_finishes_it_and_is_paid(self, client, project):
        ada = Person.of(project)
        ada.clock.now = timezone.now()
        page = ada.open()
        first, *others = items(page)
        ada.answer(first)
        put_away(project)
        assert client.get(f"/w/{ada.member.secret}/verify/").status_code == OK
        for item in others:
            ada.answer(item)
        assert Judgment.objects.counting().filter(item__assignment=page).count() == 5
        spend = ledger.spend_of(project)
        assert (spend.questions, float(spend.money), spend.reserved_questions) == (5, 0.5, 0)
        assert client.get(f"/w/{ada.member.secret}/").headers["X-Notice"] == "ended"

    def test_who_leaves_it_is_paid_for_what_they_answered_when_the_lease_ends(self, project):
        ada = Person.of(project)
        page = ada.open()
        ada.answer(items(page)[0])
        put_away(project)
        assert leases.sweep(at=NOON + timedelta(hours=1)) == 1
        spend = ledger.spend_of(project)
        assert (spend.questions, float(spend.money), spend.reserved_questions) == (1, 0.1, 0)

    def test_nobody_takes_a_place_any_more_and_who_holds_one_may_come_back(self, client, monkeypatch):
        monkeypatch.setitem(PROVIDERS, "memory", lambda environment: InMemory())
        project = open_project()
        listing = published("memory", project)
        arrive = reverse("pages:arrive", args=["memory", listing.key])
        posting = posting_of(listing).external_id
        mine = {"worker": "ada", "posting": posting, "submission": "s1"}
        assert client.get(arrive, mine).status_code == FOUND
        put_away(project)
        assert client.get(arrive, mine).status_code == FOUND
        late = client.get(arrive, {**mine, "worker": "ben", "submission": "s2"})
        assert late.headers["X-Notice"] == "ended"
        assert Submission.objects.filter(listing=listing).count() == 1

    def test_its_listings_end(self, monkeypatch):
        monkeypatch.setitem(PROVIDERS, "memory", lambda environment: InMemory())
        project = open_project()
        listing = published("memory", project)
        put_away(project)
        listing.refresh_from_db()
        assert listing.state == "ended"
        assert listing.actions.filter(kind="withdraw").exists()
        take_out(project=project)
        with pytest.raises(listings.ListingRefused):
            listings.publish(listing=listing, at=NOON)


class TestBackground:
    def test_no_stage_is_carried_out_or_wanted(self, project):
        round_ = current_round(project)
        carrying_on.want(round_)
        running = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state="running")
        put_away(project)
        running.refresh_from_db()
        assert running.stop_requested
        assert carrying_on.wanted_rounds() == []
        assert carrying_on.due(round_, at=NOON) is None
        for forbidden in (
            lambda: run_stage(round_, Stage.DETECT, lambda report: None),
            lambda: carrying_on.want(round_),
            lambda: enqueue.run_pipeline(project),
            lambda: open_campaign(project=project, at=NOON),
            lambda: resume_campaign(project=project),
            lambda: start_round(project=project, now=True),
        ):
            with pytest.raises(ProjectArchived, match="archived"):
                forbidden()
        tasks.carry_out_stage(Stage.DETECT, round_.pk)
        assert not StageRun.objects.filter(stage=Stage.DETECT).exists()

    def test_a_stage_that_waited_meanwhile_does_not_begin(self, project, monkeypatch):
        round_ = current_round(project)
        monkeypatch.setattr("annotation_site.catalog.stages._claim", lambda claims, runs: put_away(project))
        with pytest.raises(ProjectArchived):
            run_stage(round_, Stage.TRAIN, lambda report: pytest.fail("It began."), needs_earlier=False)
        assert not StageRun.objects.filter(round=round_, stage=Stage.TRAIN, state="running").exists()

    def test_nobody_begins_to_help_with_a_stage(self, project, monkeypatch):
        helped = []
        monkeypatch.setattr(tasks.concurrency, "CHILDREN", [1])
        monkeypatch.setattr(tasks.detecting, "work_through_shards", lambda *_: helped.append(1))
        put_away(project)
        tasks.help_detect(current_round(project).pk)
        assert helped == []

    @pytest.mark.django_db(transaction=True)
    def test_no_import_or_estimate_goes_on(self, project, tmp_path):
        about = {"project": project, "source": "place", "shares": {"pool": 1}, "asked_at": NOON}
        for state in ("waiting", "running"):
            ImportRun.objects.create(state=state, **about)
        Estimate.objects.create(round=current_round(project))
        put_away(project)
        for model in (ImportRun, Estimate):
            assert set(model.objects.values_list("state", flat=True)) == {"stopped"}
            assert not jobs.unattended(model).exists()
        with pytest.raises(ProjectArchived):
            import_images(project=project, folder=tmp_path, roles=RoleShares.all(Role.POOL))

    def test_nobody_imagines_its_campaign(self, project):
        project.rounds.update(calibration={"k_pa": 0.5})
        assert estimates.ask_for_due()
        put_away(project)
        assert estimates.ask_for_due() == []

    def test_webhooks_are_told_nothing_until_it_is_taken_out(self, project):
        made = webhooks.add_webhook(
            project=project, url="https://1.1.1.1/", kinds=Kind.values, description="", by=None, at=NOON
        )
        off = webhooks.add_webhook(
            project=project, url="https://1.1.1.2/", kinds=Kind.values, description="", by=None, at=NOON
        )
        webhooks.disable(webhook=off, at=NOON)
        delivering.send_test(made, at=NOON)
        put_away(project)
        note(project.pk, Kind.STAGE_FAILED, {}, at=NOON)
        assert not Event.objects.exists()
        assert not Delivery.objects.filter(state="waiting").exists()
        take_out(project=project)
        note(project.pk, Kind.STAGE_FAILED, {}, at=NOON)
        assert Event.objects.count() == 1
        off.refresh_from_db()
        assert not off.is_enabled

    def test_it_raises_no_alarm(self, project):
        StageRun.objects.create(round=current_round(project), stage=Stage.TRAIN, state="failed", error="x")
        assert "failed-train" in {alarm.key for alarm in overview(project)["alarms"]}
        put_away(project)
        assert overview(project)["alarms"] == []
        told = {sample.labels.get("project") for family in Facts().collect() for sample in family.samples}
        assert project.slug not in told


class TestReading:
    def test_it_leaves_the_front_list_for_that_of_archived_ones(self, project):
        client, other = signed_in(project), ProjectFactory(name="Another")
        grant(project=other, user=User.objects.get(), access=Access.VIEWER)
        put_away(project)
        address = f'href="/projects/{project.slug}/"'
        assert address not in client.get("/").content.decode()
        archived = client.get("/?archived").content.decode()
        assert address in archived
        assert "Another" not in archived

    def test_pages_show_no_controls_and_refuse_changes(self, project):
        client = signed_in(project, Access.OWNER)
        put_away(project)
        overview_page = client.get(f"/projects/{project.slug}/").content.decode()
        assert "Open to workers" not in overview_page
        assert "Take it out, or delete it" in overview_page
        assert "<fieldset disabled>" in client.get(f"/projects/{project.slug}/setup/").content.decode()
        refused = client.post(f"/projects/{project.slug}/setup/parameters/", {"n_s": "1"})
        assert refused.status_code == CONFLICT
        assert "it is only read" in refused.content.decode()
        project.refresh_from_db()
        assert (project.state, project.n_s) == ("archived", 15)

    def test_the_api_refuses_changes_and_tells_how_they_can_be_made(self):
        ground = ApiGround.laid()
        put_away(ground.project)
        client = ground.client()
        assert client.get(ground.url("projects/{slug}/status")).status_code == OK
        refused = client.patch(ground.url("projects/{slug}"), {"k_a": 0.9}, "application/json")
        assert (refused.status_code, refused.json()["type"]) == (CONFLICT, "project-archived")
        assert "take it out of the archive" in refused.json()["detail"]
        assert client.get(ground.url("projects")).json()["results"] == []
        shown = client.get(ground.url("projects") + "?archived=true").json()["results"]
        assert [one["slug"] for one in shown] == [ground.project.slug]

    @pytest.mark.django_db(transaction=True)
    def test_exports_are_made_as_before(self, project, monkeypatch):
        monkeypatch.setattr(enqueue, "send", lambda *_, **__: None)
        client = signed_in(project)
        put_away(project)
        page = client.get(f"/projects/{project.slug}/exports/").content.decode()
        assert "New export" in page
        client.post(f"/projects/{project.slug}/exports/new/", {"format": "coco", "include": "accepted"})
        tasks.write_export(ExportFile.objects.get().pk)
        assert ExportFile.objects.get().state == "done"

    @pytest.mark.parametrize(
        "command",
        [
            ("train",), ("detect", "--join"), ("cluster", "--join"), ("calibrate",), ("open",), ("pause",),
            ("run_pipeline", "--workers"), ("start_round",), ("budget", "--questions", "9"),
            ("trust", "--stop-below", "0.1"), ("gold", "--review"), ("workers", "--note", "1"),
            ("gold", "--take-back", "1"), ("usefulness",), ("simulate_crowd",),
            ("import_images", ".", "--role", "pool"), ("import_predictions", "x.json"),
        ],
        ids=lambda command: command[0],
    )  # fmt: skip
    def test_commands_refuse_to_change_it(self, project, command):
        put_away(project)
        with pytest.raises(CommandError, match=f"archive_project {project.slug} --take-out"):
            call_command(command[0], project.slug, *command[1:])

    @pytest.mark.parametrize("command", ["status", "budget", "trust", "gold", "workers", "check_campaign"])
    def test_commands_that_only_look_go_on(self, project, command, capsys):
        put_away(project)
        call_command(command, project.slug)


class TestTakingOut:
    def test_who_was_asked_before_is_asked_again_when_somebody_opens_it(self, project):
        put_away(project)
        take_out(project=project)
        assert project.state == "paused"
        resume_campaign(project=project)
        assert Person.of(project).open().is_live

    def test_a_draft_is_a_draft_again(self):
        project = put_away(ProjectFactory())
        take_out(project=project)
        assert Project.objects.get().state == "draft"

    def test_both_are_safe_to_repeat(self, project):
        for _ in range(2):
            put_away(project)
        assert Project.objects.get().state == "archived"
        for _ in range(2):
            take_out(project=project)
        resume_campaign(project=project)
        take_out(project=project)
        assert Project.objects.get().state == "open"

    def test_admins_do_it_on_a_page_by_the_api_and_by_command_and_it_is_in_the_history(self, capsys):
        ground = ApiGround.laid()
        page, state = f"/projects/{ground.project.slug}/archive/", lambda: Project.objects.get().state
        browser = signed_in(ground.project)
        browser.post(f"{page}change/", {"do": "archive"})
        assert state() == "archived"
        assert "Take out of the archive" in browser.get(page).content.decode()
        browser.post(f"{page}change/", {"do": "take out"})
        assert state() == "paused"
        client = ground.client()
        assert client.post(ground.url("projects/{slug}/archive")).status_code == 204
        assert state() == "archived"
        assert client.delete(ground.url("projects/{slug}/archive")).status_code == 204
        assert state() == "paused"
        call_command("archive_project", ground.project.slug)
        call_command("archive_project", ground.project.slug, "--take-out")
        assert capsys.readouterr().out == "".join(
            f"{ground.project} is {told}.\n" for told in ("archived", "paused")
        )
        told = Entry.objects.filter(what="catalog.Project", after__state="archived").order_by("pk")
        assert [entry.via for entry in told] == ["page", "api", "command"]

    def test_viewers_may_not(self, project):
        client = signed_in(project, Access.VIEWER)
        assert client.post(f"/projects/{project.slug}/archive/change/", {"do": "archive"}).status_code == 403
