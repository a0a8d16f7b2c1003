"""The pages that begin a project and set it up."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation_site import enqueue
from annotation_site.access.granting import access_to
from annotation_site.access.models import Access
from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project, Role, Round, StageRun
from annotation_site.catalog.projects import create_project, numbered
from annotation_site.catalog.roles import image_counts
from annotation_site.dashboards.setup.forms import ParametersForm
from annotation_site.dashboards.setup.parameters import GROUPS, TOLD
from annotation_site.dashboards.setup.steps import steps_of
from annotation_site.preparing import uploads
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.verification.carrying_on import carry_on
from pipeline.linkage.methods import METHODS
from tests.factories import ImageFactory
from tests.site.coco_folders import SQUARE, CocoFolder
from tests.site.painted_projects import painted_project
from workers import tasks

pytestmark = pytest.mark.django_db
background = pytest.mark.django_db(transaction=True)
"""For work that tells how far it is on a connection of its own."""


@pytest.fixture(autouse=True)
def sent(monkeypatch, tmp_path, settings) -> list[tuple[str, tuple]]:
    """What was left to workers."""
    place = "django.core.files.storage.FileSystemStorage"
    own = {
        name: {"BACKEND": place, "OPTIONS": {"location": tmp_path / name}} for name in ("images", "artifacts")
    }
    settings.STORAGES = {**settings.STORAGES, **own}
    found: list[tuple[str, tuple]] = []
    monkeypatch.setattr(enqueue, "_send", lambda task, arguments, **_: found.append((task, arguments)))
    return found


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


@pytest.fixture
def project() -> Project:
    return create_project(name="Street", categories=numbered(["car", "bus"])).project


def address(project: Project, name: str = "setup", *args: object) -> str:
    return reverse(f"dashboards:{name}", args=[project.slug, *args])


def text_of(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def states(project: Project) -> dict[str, str]:
    return {step.key: step.state for step in steps_of(project, image_counts(project))}


class TestNew:
    def test_anyone_who_is_signed_in_begins_a_project_and_owns_it(self, client):
        grace = User.objects.create_user("grace")
        client.force_login(grace)
        answer = client.post("/projects/new/", {"name": "My street", "categories": "car, bus\nvan"})
        made = Project.objects.get()
        assert answer.headers["Location"] == address(made)
        assert access_to(made, grace) == Access.OWNER
        assert list(made.categories.values_list("name", flat=True)) == ["car", "bus", "van"]
        assert client.get(address(made)).status_code == 200

    def test_categories_come_from_a_coco_file_too(self, ada):
        listed = {"categories": [{"id": 7, "name": "car"}], "images": [], "annotations": []}
        file = SimpleUploadedFile("coco.json", json.dumps(listed).encode())
        ada.post("/projects/new/", {"name": "Street", "coco": file})
        assert Project.objects.get().categories.get().coco_id == 7

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"name": "Street"}, "Name the categories"),
            ({"name": "!!", "categories": "car"}, "needs a letter or a digit"),
            ({"name": "Street", "categories": "car, car"}, "Two categories have the same name"),
            ({"name": "new", "categories": "car"}, "choose another name"),
            ({"name": "Street", "coco": SimpleUploadedFile("a.json", b"{")}, "not valid JSON"),
        ],
    )
    def test_what_cannot_be_is_told(self, ada, values, told):
        answer = ada.post("/projects/new/", values)
        assert (answer.status_code, Project.objects.count()) == (400, 0)
        assert told in answer.content.decode()


class TestSteps:
    def test_a_new_project_begins_with_its_images(self, project):
        assert states(project) == {
            "images": "open", "categories": "done", "parameters": "done", "instructions": "optional",
            "stages": "open", "budget": "optional", "workers": "open",
        }  # fmt: skip

    @background
    def test_a_prepared_one_waits_for_its_workers(self, tmp_path):
        project = painted_project(tmp_path, k_pa=0.1)
        carry_on(project.rounds.create(number=1), until=StageRun.Stage.CALIBRATE)
        assert (states(project)["images"], states(project)["stages"]) == ("done", "done")

    def test_a_failed_import_and_a_failed_stage_are_seen(self, ada, project):
        ImportRun.objects.create(
            project=project, source="upload", shares={"pool": 1}, asked_at="2026-01-01T00:00Z",
            state="failed", error="set.zip is a bomb",
        )  # fmt: skip
        round_ = Round.objects.create(project=project, number=1)
        StageRun.objects.create(round=round_, stage="train", state="failed", error="No memory")
        assert (states(project)["images"], states(project)["stages"]) == ("failed", "failed")
        page = text_of(ada, address(project))
        assert "set.zip is a bomb" in page
        assert "No memory" in page

    @pytest.mark.parametrize("part", ["steps", "imports", "stages", "opening", "estimate"])
    def test_the_parts_that_change_are_the_same_when_nothing_did(self, ada, project, part):
        url = f"{address(project)}?part={part}"
        assert text_of(ada, url) == text_of(ada, url)
        assert "<html" not in text_of(ada, url)


class TestParameters:
    def test_every_parameter_has_a_sentence_and_a_group(self):
        grouped = [name for group in GROUPS for name in group.names]
        assert sorted(grouped) == sorted(TOLD)
        assert all(told.label and told.sentence for told in TOLD.values())

    def values(self, project: Project, **changes: object) -> dict[str, object]:
        form = ParametersForm(instance=project)
        values = {name: form[name].value() for name in form.fields}
        values = {name: "" if value is None else value for name, value in values.items()}
        return {name: value for name, value in {**values, **changes}.items() if value is not False}

    def test_they_are_shown_and_changed(self, ada, project):
        page = text_of(ada, address(project))
        assert all(f">{method}</option>" in page for method in METHODS)
        answer = ada.post(address(project, "setup_parameters"), self.values(project, k_a=0.9, n_s=20))
        assert answer.status_code == 302
        project.refresh_from_db()
        assert (project.k_a, project.n_s, project.k_pa, project.use_score) == (0.9, 20, None, True)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"k_a": 0.3}, "k_a is 0.3"),
            ({"k_iou": 7}, "less than or equal to 1"),
            ({"detector_options": '{"iteration": 3}'}, "Unknown detector options"),
            ({"detector_options": "[3]"}, "JSON object"),
            ({"detector_options": '{"train": 3}'}, "options of that stage"),
            ({"detector_options": '{"start_from": "projects/3/model.pt"}'}, "start_from projects/3/model.pt"),
            ({"detector_options": '{"train": {"start_from": "/x.pt"}}'}, "start_from /x.pt"),
            ({"detector_options": '{"weights": "/x.pt"}'}, "weights /x.pt"),
        ],
    )
    def test_what_the_method_does_not_allow_is_told_beside_what_was_filled_in(
        self, ada, project, changes, told
    ):
        answer = ada.post(address(project, "setup_parameters"), self.values(project, **changes))
        assert answer.status_code == 400
        assert told in answer.content.decode()
        project.refresh_from_db()
        assert (project.k_a, project.k_iou, project.detector_options) == (0.85, 0.75, {})

    def test_a_file_that_the_command_line_named_stays_while_others_are_changed(self, ada, project):
        Project.objects.update(detector_options={"start_from": "/models/a.pt"})
        given = '{"start_from": "/models/a.pt", "iterations": 9, "weights": "coco"}'
        answer = ada.post(address(project, "setup_parameters"), self.values(project, detector_options=given))
        assert answer.status_code == 302
        project.refresh_from_db()
        assert project.detector_options["iterations"] == 9
        ada.post(address(project, "setup_parameters"), self.values(project, detector_options=""))
        project.refresh_from_db()
        assert project.detector_options == {}


class TestCategories:
    def test_they_are_added_and_removed(self, ada, project):
        ada.post(address(project, "setup_categories"), {"categories": "van, tram"})
        bus = project.categories.get(name="bus")
        ada.post(address(project, "setup_categories"), {"remove": bus.pk})
        assert list(project.categories.values_list("name", flat=True)) == ["car", "van", "tram"]

    def test_those_of_other_projects_are_not(self, ada, project):
        other = create_project(name="Other", categories=numbered(["car", "bus"])).project
        answer = ada.post(address(project, "setup_categories"), {"remove": other.categories.first().pk})
        assert (answer.status_code, other.categories.count()) == (404, 2)


class TestBudget:
    def test_caps_and_pay_are_set(self, ada, project):
        values = {
            "questions": 500, "money": "20", "currency": "EUR", "pay_per_question": "0.02", "pay_per_hit": 0,
            "pay_per_hour": 0, "longest_seconds": 10, "unfinished": "share", "fee_share": "0.2",
            "least_fee": "0",
        }  # fmt: skip
        ada.post(address(project, "setup_budget"), values)
        budget = budget_of(project)
        assert (budget.questions, budget.money, budget.currency) == (500, 20, "EUR")
        assert "500 questions, 20.00 EUR" in text_of(ada, address(project))
        answer = ada.post(address(project, "setup_budget"), {**values, "fee_share": "-1"})
        assert answer.status_code == 400
        assert "greater than or equal to 0" in answer.content.decode()

    @background
    def test_an_estimate_is_made_by_a_worker_and_shown_at_todays_pay(self, ada, tmp_path, sent):
        project = painted_project(
            tmp_path, k_pa=0.1, images={Role.INITIAL: 3, Role.HELDOUT: 8, Role.POOL: 20}
        )
        page = address(project)
        assert "After the stages cluster and calibrate" in text_of(ada, page)
        carry_on(project.rounds.create(number=1), until=StageRun.Stage.CALIBRATE)
        ada.post(address(project, "setup_estimate"))
        estimate = Estimate.objects.get()
        assert sent == [("maskgrove.make_estimate", (estimate.pk,))]
        tasks.make_estimate(estimate.pk)
        part = f"{page}?part=estimate"
        estimate.refresh_from_db()
        assert (estimate.state, estimate.error) == ("done", "")
        assert "Accepted masks" in text_of(ada, part)
        free = text_of(ada, part)
        budget_of(project)
        project.budget.pay_per_question = 1
        project.budget.save()
        assert text_of(ada, part) != free


class TestStages:
    def test_uploaded_predictions_need_no_training(self, ada, tmp_path):
        project = painted_project(tmp_path)
        round_ = project.rounds.create(number=1, carry_on_to="calibrate")
        round_.stages.create(stage="detect", state="running")
        page = text_of(ada, address(project))
        assert "Not needed" in page
        assert "Waits for a worker" not in page

    @background
    def test_run_stop_and_do_over_are_the_commands(self, ada, tmp_path, sent):
        project = painted_project(tmp_path, k_pa=0.1)
        url = address(project, "setup_stages")
        ada.post(url, {"do": "run detect"})
        round_ = project.rounds.get()
        assert round_.carry_on_to == "detect"
        assert sent == [("maskgrove.run_pipeline", (project.pk,))]
        ada.post(url, {"do": "stop"})
        round_.refresh_from_db()
        assert round_.carry_on_to == ""
        carry_on(round_, until=StageRun.Stage.CALIBRATE)
        assert round_.trees.exists()
        ada.post(url, {"do": "again cluster"})
        assert not round_.trees.exists()
        round_.refresh_from_db()
        assert (round_.carry_on_to, states(project)["stages"]) == ("cluster", "open")

    def test_a_further_round_that_failed_goes_on_until_it_is_open(self, ada, tmp_path):
        project = painted_project(tmp_path, state=Project.State.OPEN)
        round_ = project.rounds.create(number=2, carry_on_to="open")
        round_.stages.create(stage="train", state="failed", error="No disk.")
        assert states(project)["workers"] == "open"
        assert "open to workers" in text_of(ada, f"{address(project)}?part=opening")
        ada.post(address(project, "setup_stages"), {"do": "run train"})
        round_.refresh_from_db()
        assert round_.carry_on_to == "open"
        assert "until it is open" in text_of(ada, f"{address(project)}?part=opening")
        for stage in StageRun.Stage.values:
            round_.stages.update_or_create(stage=stage, defaults={"state": "done"})
        assert states(project)["workers"] == "done"
        assert "open to workers" not in text_of(ada, f"{address(project)}?part=opening")

    @background
    def test_what_a_stage_said_is_shown(self, ada, tmp_path):
        project = painted_project(tmp_path, k_pa=0.1)
        carry_on(project.rounds.create(number=1), until=StageRun.Stage.TRAIN)
        assert "Reading annotations" in text_of(ada, f"{address(project)}?part=stages")


class TestImports:
    @pytest.fixture
    def coco(self, tmp_path) -> CocoFolder:
        folder = tmp_path / "given"
        folder.mkdir()
        coco = CocoFolder(folder)
        coco.add("a.png", SQUARE)
        return coco

    @background
    def test_an_upload_is_announced_sent_in_pieces_and_imported(self, ada, project, coco, monkeypatch, sent):
        monkeypatch.setattr(uploads, "PIECE", 1000)
        monkeypatch.setattr("annotation_site.preparing.pieces.PIECE", 1000)
        contents = {"a.png": (coco.folder / "a.png").read_bytes(), "coco.json": coco.file.read_bytes()}
        files = json.dumps([[name, len(data)] for name, data in contents.items()])
        asked = ada.post(
            address(project, "setup_imports"), {"source": "upload", "role": "heldout", "listed": files}
        )
        begun = asked.json()
        assert (asked.status_code, begun["received"]) == (201, {"0": 0, "1": 0})
        assert ada.post(begun["finish"], {"do": "finish"}).status_code == 409
        for number, data in enumerate(contents.values()):
            for at in range(0, len(data), 1000):
                answer = ada.post(
                    f"{begun['files']}{number}/?at={at}", data[at : at + 1000], "application/octet-stream"
                )
                assert answer.json() == {"received": min(at + 1000, len(data))}
        again = ada.post(f"{begun['files']}0/?at=0", b"x" * 1000, "application/octet-stream")
        assert (again.status_code, again.json()) == (409, {"received": len(contents["a.png"])})
        assert ada.post(begun["finish"], {"do": "finish"}).json() == {"state": "waiting"}
        assert sent == [("maskgrove.run_import", (begun["id"],))]
        tasks.run_import(begun["id"])
        assert project.images.get().role == "heldout"
        assert "<b>1</b> images" in text_of(ada, address(project))

    def test_a_piece_of_another_project_is_not_taken(self, ada, project):
        other = create_project(name="Other", categories=numbered(["car"])).project
        asked = ada.post(
            address(project, "setup_imports"),
            {"source": "upload", "role": "pool", "listed": json.dumps([["a.png", 3]])},
        )
        url = address(other, "setup_piece", asked.json()["id"], 0)
        assert ada.post(url, b"xyz", "application/octet-stream").status_code == 404

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"role": "pool", "listed": "[]"}, "An upload has 1 to"),
            ({"role": "pool", "listed": "nonsense"}, "reload the page"),
            ({"role": "heldout", "listed": '[["a.png", 3]]'}, "heldout images need annotations"),
            ({"role": "split", "pool_percent": "50", "listed": '[["a.png", 3]]'}, "come to 100 %"),
            ({"role": "pool", "listed": '[["../a.png", 3]]'}, "is no name of a file"),
        ],
    )
    def test_an_upload_that_cannot_be_is_refused_with_why(self, ada, project, values, told):
        answer = ada.post(address(project, "setup_imports"), {"source": "upload", **values})
        assert answer.status_code == 400
        assert told in answer.json()["error"]

    @background
    def test_a_folder_is_imported_where_the_site_allows_it(self, ada, project, coco, settings, sent):
        settings.IMPORT_FROM = [str(coco.folder)]
        url = address(project, "setup_imports")
        values = {"source": "place", "role": "pool", "place": str(coco.folder)}
        assert ada.post(url, values).status_code == 302
        run = ImportRun.objects.get()
        assert sent == [("maskgrove.run_import", (run.pk,))]
        refused = ada.post(url, {**values, "place": "/etc"})
        assert refused.status_code == 400
        assert "/etc may not be imported from" in refused.content.decode()

    def test_an_import_is_stopped_gone_on_with_and_discarded(self, ada, project, coco, settings):
        settings.IMPORT_FROM = [str(coco.folder)]
        ada.post(
            address(project, "setup_imports"), {"source": "place", "role": "pool", "place": str(coco.folder)}
        )
        run = ImportRun.objects.get()
        url = address(project, "setup_import", run.pk)
        for verb, state in (("stop", "stopped"), ("go on", "waiting"), ("stop", "stopped")):
            ada.post(url, {"do": verb})
            run.refresh_from_db()
            assert run.state == state
        ada.post(url, {"do": "discard"})
        assert not ImportRun.objects.exists()

    @background
    def test_what_was_left_out_is_named_and_can_be_fetched(self, ada, project, coco, settings):
        (coco.folder / "broken.png").write_bytes(b"no image")
        settings.IMPORT_FROM = [str(coco.folder)]
        ada.post(
            address(project, "setup_imports"), {"source": "place", "role": "pool", "place": str(coco.folder)}
        )
        run = ImportRun.objects.get()
        assert ada.get(address(project, "setup_problems", run.pk)).status_code == 404
        tasks.run_import(run.pk)
        assert "broken.png: not a JPEG" in text_of(ada, f"{address(project)}?part=imports")
        answer = ada.get(address(project, "setup_problems", run.pk))
        assert json.loads(b"".join(answer.streaming_content))["item"] == "broken.png"


def test_the_page_asks_the_database_as_often_whatever_there_is(ada, project, django_assert_max_num_queries):
    for _number in range(30):
        ImportRun.objects.create(
            project=project, source="upload", shares={"pool": 1}, asked_at="2026-01-01T00:00Z", state="done"
        )
        ImageFactory(project=project)
    with django_assert_max_num_queries(40):
        page = text_of(ada, address(project))
    assert page.count('class="card import"') == 20
    assert "Older imports" in page


def test_the_overview_leads_to_the_set_up_while_a_project_is_a_draft(ada, project):
    button = f'class="button is-primary" href="{address(project)}"'
    overview = reverse("dashboards:project", args=[project.slug])
    assert button in text_of(ada, overview)
    Project.objects.update(state="open")
    assert button not in text_of(ada, overview)
