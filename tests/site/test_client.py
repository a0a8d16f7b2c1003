"""The Python client: against the running site, and against lines that break."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import numpy as np
import pytest
from drf_spectacular.generators import SchemaGenerator

from annotation_site import enqueue
from annotation_site.access.models import Invitation
from annotation_site.api.models import ApiToken, Scope
from annotation_site.catalog.models import StageRun
from annotation_site.marketplaces.models import Action
from annotation_site.preparing.imports import run_import
from annotation_site.preparing.models import ImportRun
from annotation_site.results.export_files import write_export
from annotation_site.results.models import ExportFile
from maskgrove_client import (
    Conflict,
    Forbidden,
    Maskgrove,
    NotFound,
    Refused,
    Unauthorized,
    records,
)
from maskgrove_client.connection import Connection
from maskgrove_client.project import NotDone
from tests.factories import PaintedImageFactory
from tests.site.api_ground import ApiGround, bearer, predicted

DOCS = Path(__file__).resolve().parents[2] / "docs"
live = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> ApiGround:
    """A campaign, and a worker who writes exports as soon as they are asked for."""
    monkeypatch.setattr(enqueue, "write_export", lambda pk: write_export(ExportFile.objects.get(pk=pk)))
    monkeypatch.setattr(enqueue, "send", lambda *_, **__: None)
    return ApiGround.laid()


@pytest.fixture
def site(ground: ApiGround, live_server: Any):
    with Maskgrove(live_server.url, token=bearer(ground.owner).removeprefix("Bearer ")) as site:
        yield site


@live
def test_lists_are_read_to_their_end(ground, site):
    project = site.project(ground.project.slug)
    tree = project.trees()[0]
    masks = list(project.masks(tree=tree["id"], limit=40))
    assert [mask["position"] for mask in masks] == list(range(tree["masks"]))
    assert [one["slug"] for one in site.projects()] == [ground.project.slug]


@live
def test_a_project_is_made_changed_paused_and_opened(ground, site):
    leaves = site.create_project("Leaves", ["oak", {"name": "elm", "id": 7}], k_a=0.9)
    assert leaves.read()["k_a"] == 0.9
    assert [one["coco_id"] for one in leaves.categories()] == [1, 7]
    assert leaves.update(k_a=0.8)["k_a"] == 0.8
    assert [leaves.choose_threshold(k_pa)["k_pa"] for k_pa in (0.6, None)] == [0.6, None]
    leaves.update(
        detector_options={"device": "cpu", "train": {"batch_size": 4}, "detect": {"batch_size": 16}}
    )
    changed = leaves.update(detector_options={"device": None, "train": {"batch_size": 2}})
    assert changed["detector_options"] == {"train": {"batch_size": 2}, "detect": {"batch_size": 16}}
    facades = site.project(ground.project.slug)
    assert facades.pause()["state"] == "paused"
    assert facades.open()["state"] == "open"


@live
def test_files_are_uploaded_in_pieces_and_imported(ground, site, tmp_path, monkeypatch):
    monkeypatch.setattr(enqueue, "run_import", lambda pk: run_import(ImportRun.objects.get(pk=pk)))
    photos = [PaintedImageFactory.build(folder=tmp_path, name=f"{n}.png", width=64, height=48) for n in "ab"]
    project = site.project(ground.project.slug)
    there = len(list(project.images()))
    done = project.upload([photo.path for photo in photos], role="pool")
    assert (done["report"], len(list(project.images()))) == ({}, there + 2)
    read = next(project.imports())
    assert (read["state"], read["report"]["taken"]["images"]) == ("done", 2)
    with pytest.raises(Refused, match="imports only what is uploaded"):
        project.import_from("/etc", role="pool")
    with pytest.raises(Refused, match="Give a role"):
        project.upload([photos[0].path])


@live
def test_what_admins_do_on_pages_is_done_from_python(ground, site):
    project, worker = site.project(ground.project.slug), ground.places["worker"]
    assert project.overview()["bought"]["questions"] == project.status()["campaign"]["questions"]
    with pytest.raises(Conflict, match="they stay"):
        project.add_categories("door", {"name": "gate", "supercategory": "entrance"})
    assert project.set_instructions(instructions="Look.")["instructions"] == "Look."
    assert project.leave_out(next(project.examples())["id"])["left_out"]
    version = project.test()["version"]
    assert project.ask_everyone_again()["version"] == project.test()["version"] == version + 1
    assert project.open_long_tail()["asked"]
    gold = project.mark_gold(ground.places["mask"], is_correct=True)
    project.retire_gold(gold["id"], reason="blurred")
    assert [one["id"] for one in project.gold(state="retired")] == [gold["id"]]
    assert project.take_back_gold(gold["id"])["retired_at"] is None
    assert project.give_bonus(worker, "0.50", reason="Thanks.")["owed"] == "0.50"
    assert project.note_payment(worker, "0.50", note="cash") == next(project.payments(worker))
    assert project.account(worker)["owed"] == "0.00"
    assert project.foresee_stop(worker)["judgments"] > 40
    assert project.foresee_stop(worker, weigh=True)["falling"] > 0
    assert next(project.answers(worker, which="gold"))["is_right"]
    assert project.course(worker)["gold"][-1]["share"] == 1
    assert [one["id"] for one in project.workers(order="-gold", name="a")] == [worker]
    before = project.worker(worker)["link"]
    assert project.rotate_link(worker)["link"] == project.vouch_for(worker)["link"] != before
    code = project.make_code()
    project.revoke_code(code["id"])
    assert code not in project.codes()
    assert project.set_access(ground.places["person"], "admin") in project.people()
    assert next(project.history(what="access.Grant"))["after"] == {"access": "admin"}


@live
def test_comparisons_are_asked_for_watched_stopped_and_deleted(ground, site):
    project, known = site.project(ground.project.slug), ground.places["comparison"]
    with pytest.raises(Refused, match="begin the next round"):
        project.compare_usefulness(seeds=2, iterations=10)
    assert [one["id"] for one in project.comparisons()] == [known]
    assert project.stop_comparison(known)["state"] == "stopped"
    assert project.go_on_with_comparison(known) == project.comparison(known)
    assert project.comparison(known)["state"] == "waiting"
    project.delete_comparison(known)
    assert list(project.comparisons()) == []


@live
def test_predictions_are_read_beside_the_truth(ground, site):
    predicted(ground.project, [0.2, 0.9, 0.4])
    project = site.project(ground.project.slug)
    found = list(project.heldout_predictions(order="worst", limit=2))
    assert [one["true_iou"] for one in found] == pytest.approx([0.2, 0.4, 0.9])


@live
def test_predictions_of_another_model_are_uploaded_and_withdrawn(ground, site, tmp_path):
    mine, features = tmp_path / "mine.json", tmp_path / "mine.npy"
    mine.write_text("[]")
    np.save(features, np.zeros((0, 4)))
    project = site.create_project("Leaves", ["oak"])
    sent = project.upload_predictions(mine, features=features, computed_by="descriptors")
    assert (sent["results"], sent["features"], sent["images"]) == ("mine.json", "features-mine.npy", "")
    assert sent["size"] == 2 + features.stat().st_size
    assert project.offered_predictions() == sent
    project.withdraw_predictions()
    assert project.offered_predictions() is None
    with pytest.raises(Conflict):
        site.project(ground.project.slug).upload_predictions(mine)


@live
def test_superusers_look_into_the_machine_room(ground, site, live_server, monkeypatch):
    worker = enqueue.WorkerProcess("cpu@one", ["cpu"], [], ["maskgrove.cluster"])
    monkeypatch.setattr(enqueue, "workers", lambda: [worker])
    failed = StageRun.objects.create(round=ground.project.rounds.get(), stage="cluster", state="failed")
    with Maskgrove(live_server.url, bearer(ground.root).removeprefix("Bearer ")) as room:
        assert room.system()["database"] > 0
        assert room.system_workers()[0]["name"] == "cpu@one"
        assert [one["id"] for one in room.system_stages("failed")] == [failed.pk]
        assert room.retry_stage(failed.pk)["state"] == "waiting"
        ExportFile.objects.update(state="failed")
        (lost,) = room.system_jobs("export", "failed")
        assert room.retry_job("export", lost["id"])["state"] == "done"  # A worker was there.
        assert next(room.site_history(what="access.Grant"))["project"] == ground.project.slug
    with pytest.raises(Forbidden, match="superusers"):
        site.system()


@live
def test_a_token_is_made_for_a_program_that_needs_less(ground, site, live_server):
    made = site.make_token("nightly", "read", projects=[ground.project.slug])
    with Maskgrove(live_server.url, made["secret"]) as nightly:
        assert [one["slug"] for one in nightly.projects()] == [ground.project.slug]
        with pytest.raises(Forbidden, match="scope admin"):
            nightly.make_token("more", "admin")
        assert next(site.tokens())["id"] == made["id"]
        site.revoke_token(made["id"])
        with pytest.raises(Unauthorized):
            nightly.me()


@live
def test_marketplaces_and_webhooks_are_run_from_python(ground, site):
    project, listing = site.project(ground.project.slug), ground.places["listing"]
    assert [one["id"] for one in project.listings()] == [listing]
    assert project.progress(listing)["submissions"]["handed_in"] == 1
    (came,) = project.submissions(listing, state="unexplained")
    assert project.reject_submission(came["id"], reason="Not one was looked at.")["id"] == came["id"]
    Action.objects.filter(kind="reject").delete()
    assert project.approve_submission(came["id"])["id"] == came["id"]
    (refused,) = project.actions(listing, state="failed")
    assert project.retry_action(refused["id"])["failed_at"] is None
    made = project.add_webhook("https://receiver.example/ours", ["stage.failed"])
    assert made["secret"].startswith("whsec_")
    assert project.rotate_webhook_secret(made["id"])["secret"] != made["secret"]
    assert project.change_webhook(made["id"], description="ours")["description"] == "ours"
    assert not project.disable_webhook(made["id"])["is_enabled"]
    assert project.enable_webhook(made["id"]) in project.webhooks()
    sent = project.test_webhook(made["id"])
    assert list(project.deliveries(made["id"])) == [sent]
    assert project.redeliver(sent["id"])["message"] == project.delivery(sent["id"])["message"]
    project.delete_webhook(made["id"])
    assert [one["id"] for one in project.webhooks()] == [ground.places["webhook"]]


@live
def test_an_export_is_waited_for_and_checked(ground, site, tmp_path):
    project = site.project(ground.project.slug)
    done = project.wait_for(project.export("coco", include="all"))
    file = project.download(done, tmp_path / "dataset.json")
    assert len(json.loads(file.read_text())["annotations"]) == done["entries"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == done["sha256"]
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
    with pytest.raises(OSError, match="download it again"):
        project.download({**done, "sha256": "0" * 64}, tmp_path / "dataset.json")
    project.delete_export(done["id"])
    (waiting,) = project.exports()
    assert project.stop_export(waiting["id"])["state"] == "stopped"
    assert project.wait_for(project.retry_export(waiting["id"]))["state"] == "done"
    ExportFile.objects.update(state="waiting", done=0, total=0)
    with pytest.raises(NotDone, match="is at 0 of 0"):
        project.wait_for(waiting, sleep=lambda _: None, seconds=5)


@live
def test_refusals_say_what_can_be_done_about_them(ground, site, live_server):
    project = site.project(ground.project.slug)
    with pytest.raises(NotFound):
        site.project("none").read()
    with pytest.raises(Conflict, match="set a cap of at least that") as refusal:
        project.set_budget(questions=1)
    assert (refusal.value.status, refusal.value.type) == (409, "cap-below-spend")
    with pytest.raises(Refused, match="k_a"):
        project.update(k_a=7)
    reader = Maskgrove(live_server.url, bearer(ground.owner, Scope.READ).removeprefix("Bearer "))
    with pytest.raises(Forbidden, match="scope write"):
        reader.project(ground.project.slug).pause()
    ApiToken.objects.all().delete()
    with pytest.raises(Unauthorized, match="make one"):
        site.me()


@live
def test_a_write_whose_answer_was_lost_is_done_once(ground, live_server):
    class Lossy(httpx.HTTPTransport):
        lost = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            if self.lost < 2:
                self.lost += 1
                raise httpx.ReadError("the line broke", request=request)
            return answer

    slept: list[float] = []
    token = bearer(ground.owner).removeprefix("Bearer ")
    connection = Connection(live_server.url, token, transport=Lossy(), sleep=slept.append)
    invited = {"email": "another@example.org", "access": "viewer"}
    told = connection.send("POST", f"projects/{ground.project.slug}/invitations", invited)
    assert Invitation.objects.filter(email="another@example.org").get().pk == told["id"]
    assert slept == [1.0, 2.0]


SCHEMAS: dict[str, Any] = SchemaGenerator().get_schema(public=True)["components"]["schemas"]
CALLED = {
    "StageTold": "StageTold", "Campaign": "CampaignTold", "RoundTold": "RoundTold", "Quality": "QualityTold",
    "Bar": "BarTold", "Answered": "AnsweredTold", "NodeBrief": "NodeBrief", "Rle": "RleTold",
    "Cluster": "ClusterTold", "Judgment": "JudgmentTold", "Record": "RecordTold", "Change": "ChangeTold",
    "CategoryReport": "CategoryReportTold", "MaskSet": "SetTold", "CategoryCount": "CategoryCountTold",
    "Dataset": "FiguresTold", "Token": "TokenTold", "Verdict": "Overruling", "LedgerEntry": "Ledger",
    "UploadedFile": "FileTold", "Forecast": "ForecastTold", "Share": "ShareTold", "Bought": "BoughtTold",
    "Ahead": "AheadTold", "Alarm": "AlarmTold", "Hour": "HourTold", "Stretch": "StretchTold",
    "CategoryShare": "CategoryTold", "Attempt": "AttemptTold", "QualificationTest": "Test",
    "Prospect": "ProspectTold", "GoldPoint": "GoldPointTold", "PacePoint": "PacePointTold",
    "Limits": "LimitsTold", "Bucket": "BucketTold", "DetectorOptions": "DetectorOptionsBody",
    "TrainOptions": "TrainOptionsBody", "DetectOptions": "DetectOptionsBody", "StatementLine": "Line",
    "Totals": "TotalsTold", "Room": "RoomTold", "Arm": "ArmTold",
}  # fmt: skip
"""Records whose schema has another name."""
RECORDS = [one for _, one in inspect.getmembers(records, inspect.isclass) if hasattr(one, "__total__")]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_records_have_the_fields_of_the_document(record):
    described = SCHEMAS[CALLED.get(record.__name__, record.__name__)]
    assert set(get_type_hints(record)) == set(described["properties"])


@live
def test_the_tutorials_code_runs_from_top_to_bottom(ground, live_server, monkeypatch, tmp_path):
    monkeypatch.setenv("MASKGROVE_URL", live_server.url)
    monkeypatch.setenv("MASKGROVE_TOKEN", bearer(ground.owner, Scope.WRITE).removeprefix("Bearer "))
    monkeypatch.chdir(tmp_path)
    page, names = DOCS / "tutorial" / "api.md", dict[str, Any]()
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(code, str(page), "exec"), names)
    assert names["accepted"]
    assert names["rejected"] == "reject"
    assert json.loads((tmp_path / "dataset.json").read_text())["annotations"]
