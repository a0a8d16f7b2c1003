"""Uploaded predictions that change while a worker is on its way to them: nothing is lost, nothing dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from annotation_site.catalog import offering
from annotation_site.catalog.foreign_predictions import OtherPredictions
from annotation_site.catalog.models import Image, OfferedPredictions, Project, Role, Round, StageRun
from annotation_site.catalog.offering import (
    Offer,
    OfferChanged,
    offer_predictions,
    offered,
    take_offered,
    withdraw_offer,
)
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, StageBusy, State, mark_done, nobody_at, run_stage
from annotation_site.catalog.storage import artifacts, round_folder
from annotation_site.verification import carrying_on
from annotation_site.verification.carrying_on import carry_on, carry_out, due, want
from pipeline.progress import StopRequested
from tests.factories import NOON
from tests.site.painted_projects import painted_project
from workers import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]

SQUARE = [[4.0, 4.0, 20.0, 4.0, 20.0, 20.0, 4.0, 20.0]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, images={Role.INITIAL: 2, Role.HELDOUT: 3, Role.POOL: 3}, k_pa=None)


@pytest.fixture
def done(project: Project) -> Round:
    """Detected, clustered and calibrated by the fake detector."""
    round_ = current_round(project)
    carry_on(round_, until=Stage.CALIBRATE)
    return round_


def offer(project: Project, *, replace: bool = False) -> OfferedPredictions:
    images = Image.objects.filter(project=project).exclude(role=Role.INITIAL)
    entries = [
        {"image_id": image.coco_id, "category_id": 7, "score": 0.9, "segmentation": SQUARE}
        for image in images
    ]
    given = Offer(SimpleUploadedFile("mine.json", json.dumps(entries).encode()), computed_by="descriptors")
    return offer_predictions(project=project, offer=given, replace=replace, by=None, at=NOON)


def held(round_: Round) -> tuple[object, ...]:
    """What a round has of its predictions and all that rests on them."""
    round_ = Round.objects.get(pk=round_.pk)
    shards, trees = round_.shards.values_list("pk", flat=True), round_.trees.values_list("pk", flat=True)
    done = round_.stages.filter(state=State.DONE).values_list("stage", flat=True)
    return round_.calibration, round_.feature_source, list(shards), list(trees), set(done)


def test_a_worker_that_comes_late_to_a_withdrawn_offer_discards_nothing(done: Round) -> None:
    late, before = offer(done.project, replace=True), held(done)
    withdraw_offer(done)
    with pytest.raises(OfferChanged, match=r"mine\.json was withdrawn or replaced"):
        take_offered(late)
    assert held(done) == before


def test_a_worker_that_comes_late_to_a_replaced_offer_leaves_all_to_the_next(done: Round) -> None:
    late, before = offer(done.project, replace=True), held(done)
    offer(done.project, replace=True)
    with pytest.raises(OfferChanged):
        take_offered(late)
    assert held(done) == before
    carry_on(done, until=Stage.DETECT)
    assert offered(done) is None
    assert held(done)[1].startswith("mine.json")


def test_a_worker_that_looked_before_another_began_keeps_what_that_one_did(done: Round) -> None:
    late = offer(done.project, replace=True)

    def stopped(_done: int, total: int, _message: str = "") -> None:
        if total:
            raise StopRequested("Stopped.")

    assert take_offered(offered(done), also=stopped).state == State.STOPPED
    begun = held(done)[2]
    assert begun
    assert take_offered(late).state == State.DONE
    assert held(done)[2] == begun


def test_what_is_uploaded_while_a_worker_is_on_its_way_to_detect_is_not_dropped(
    project: Project, monkeypatch, caplog
) -> None:
    round_ = current_round(project)
    carry_on(round_, until=Stage.TRAIN)
    offer(project)
    with monkeypatch.context() as before:
        before.setattr(carrying_on, "offered", lambda _: None)
        with pytest.raises(OfferChanged, match="were uploaded"):
            carry_out(round_, Stage.DETECT)
        tasks.STAGE_TASKS[Stage.DETECT](round_.pk)
        assert "were uploaded" in caplog.text
    carry_on(round_, until=Stage.DETECT)
    assert held(round_)[1].startswith("mine.json")


def test_what_waits_when_a_round_is_opened_is_told_without_a_traceback_once(done: Round, caplog) -> None:
    waits = offer(done.project, replace=True)
    mark_done(done, Stage.OPEN, message="", at=NOON)
    want(done)
    before = held(done)
    tasks.STAGE_TASKS[Stage.DETECT](done.pk)
    (told,) = [record for record in caplog.records if "not taken in" in record.message]
    assert "Start a new round instead" in told.message
    assert told.exc_info is None
    assert due(done, at=NOON) is None
    assert (held(done), offered(done)) == (before, waits)
    withdraw_offer(done)
    assert offered(done) is None
    assert held(done) == before


@pytest.mark.parametrize("command", ["detect", "cluster", "calibrate", "open", "import_predictions"])
@pytest.mark.parametrize("force", [False, True])
def test_commands_refuse_while_uploaded_predictions_wait(
    done: Round, tmp_path: Path, command: str, force: bool
) -> None:
    offer(done.project, replace=True)
    before = held(done)
    file = tmp_path / "other.json"
    file.write_text("[]")
    given = [str(file)] if command == "import_predictions" else []
    with pytest.raises(CommandError, match=r"were uploaded.*run_pipeline .* --until detect"):
        call_command(command, done.project.slug, *given, *(["--force"] if force else []))
    assert held(done) == before


def test_what_is_open_already_may_be_paused_and_opened_again_whatever_waits(done: Round) -> None:
    carry_on(done)
    OfferedPredictions.objects.create(
        round=done, folder="none", results="mine.json", computed_by="auto", size=1, offered_at=NOON
    )
    call_command("pause", done.project.slug)
    call_command("open", done.project.slug)
    assert Project.objects.get(pk=done.project.pk).state == Project.State.OPEN


def test_a_command_takes_what_waits_in_turn(done: Round) -> None:
    offer(done.project, replace=True)
    call_command("run_pipeline", done.project.slug, "--until", "detect")
    assert offered(done) is None
    assert held(done)[1].startswith("mine.json")


def test_predictions_made_while_files_come_in_are_not_replaced_unasked(project: Project, monkeypatch) -> None:
    round_, keep = current_round(project), offering._keep

    def slowly(*given: object) -> None:
        keep(*given)
        mark_done(round_, Stage.DETECT, message="", at=NOON)

    monkeypatch.setattr(offering, "_keep", slowly)
    with pytest.raises(OtherPredictions, match="has predictions already"):
        offer(project)
    assert offered(round_) is None
    assert not any(artifacts().listdir(f"{round_folder(round_)}/offered"))


def test_a_stage_that_never_began_is_kept_from_others_too(project: Project) -> None:
    round_ = current_round(project)
    assert not StageRun.objects.exists()
    with nobody_at(round_, Stage.DETECT), pytest.raises(StageBusy):
        run_stage(round_, Stage.DETECT, lambda _: pytest.fail("It began."), needs_earlier=False)
