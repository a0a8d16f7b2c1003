"""The stages' commands: what they take, what they say, and how they refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation_site.catalog import detecting, training
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.management.commands import detect as detect_command
from annotation_site.catalog.models import Project, Role, StageRun, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import PREDICTED_ROLES, plan_shards, read_shard
from annotation_site.catalog.stages import Stage, State
from pipeline.progress import StopRequested
from tests import factories
from tests.site.painted_projects import painted_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, k_pa=0.1)


def said(*words: str) -> str:
    """What a command prints, warnings included."""
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def test_a_project_goes_through_its_commands_one_by_one(project: Project) -> None:
    slug = project.slug
    assert f"train of {slug} is done" in said("train", slug)
    assert "masks" in said("detect", slug, "--shard-images", "4")
    assert "masks in 4 trees" in said("cluster", slug)
    assert "K_pa is 0.10" in said("calibrate", slug)
    assert f"open of {slug} is done" in said("open", slug)
    project.refresh_from_db()
    assert project.state == Project.State.OPEN
    assert said("run_pipeline", slug).strip().endswith(f"{slug} is past open already.")


def test_one_command_does_them_all(project: Project) -> None:
    assert f"cluster of {project.slug} is done" in said("run_pipeline", project.slug, "--until", "cluster")
    assert f"open of {project.slug} is done" in said("run_pipeline", project.slug)


def test_a_done_stage_is_left_as_it_is_unless_forced(project: Project) -> None:
    said("run_pipeline", project.slug, "--until", "cluster")
    trees = set(Tree.objects.values_list("pk", flat=True))
    said("cluster", project.slug)
    assert set(Tree.objects.values_list("pk", flat=True)) == trees
    said("cluster", project.slug, "--force")
    assert set(Tree.objects.values_list("pk", flat=True)).isdisjoint(trees)


def test_an_open_campaign_is_not_detected_anew(project: Project) -> None:
    said("run_pipeline", project.slug)
    with pytest.raises(CommandError, match="Start a new round instead"):
        said("detect", project.slug, "--force")


def test_a_campaign_that_asks_nothing_is_a_warning_to_the_user(tmp_path: Path) -> None:
    project = painted_project(tmp_path, k_pa=1.0)
    text = said("run_pipeline", project.slug)
    assert "open: No cluster is large enough and has a mean score above K_pa (1.00)" in text


def test_too_little_to_calibrate_on_is_a_warning_to_the_user(tmp_path: Path) -> None:
    project = painted_project(tmp_path)
    said("run_pipeline", project.slug, "--until", "cluster")
    assert "Annotate more held-out images" in said("calibrate", project.slug)


def test_a_stage_before_its_turn_names_the_command_to_run_first(project: Project) -> None:
    with pytest.raises(CommandError, match=rf"run `manage\.py train {project.slug}` first"):
        said("detect", project.slug)


def test_an_unknown_project_is_answered_with_those_there_are(project: Project) -> None:
    for command in ("train", "detect", "cluster", "calibrate", "status", "run_pipeline"):
        with pytest.raises(CommandError, match=f"No project is called 'nothing'. There are: {project.slug}"):
            said(command, "nothing")


def test_a_busy_stage_is_refused(project: Project) -> None:
    run = StageRun.objects.create(round=current_round(project), stage=Stage.TRAIN)
    with Claims() as another:
        another.take(Kind.STAGE, run.pk)
        with pytest.raises(CommandError, match="another process right now"):
            said("train", project.slug)


def test_a_failure_ends_with_what_to_do(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.POOL: 1})
    with pytest.raises(CommandError, match="import annotated images with role initial"):
        said("train", project.slug)


def test_a_stopped_stage_ends_with_the_code_of_ctrl_c(project: Project, monkeypatch) -> None:
    said("train", project.slug)

    def stopped(*_arguments: object, **_options: object) -> None:
        raise StopRequested("Stopped by Ctrl-C.")

    monkeypatch.setattr(detect_command, "detect", stopped)
    with pytest.raises(CommandError, match=f"Run `manage.py detect {project.slug}` again") as stop:
        said("detect", project.slug)
    assert stop.value.returncode == 130
    assert StageRun.objects.get(stage=Stage.DETECT).state == State.STOPPED


def test_the_detector_may_be_chosen_on_the_command_line(tmp_path: Path) -> None:
    project = painted_project(tmp_path, detector="maskrcnn-r50-fpn")
    said("train", project.slug, "--detector", "fake", "--iterations", "7")
    assert current_round(project).detector == "fake"
    losses = StageRun.objects.get(stage=Stage.TRAIN).detail["losses"]
    assert losses[-1]["iteration"] == 7
    assert losses[-1]["total"] > 0


def test_it_may_start_from_any_weights_that_the_detector_knows(project: Project) -> None:
    said("train", project.slug, "--weights", "imagenet")
    assert StageRun.objects.get(stage=Stage.TRAIN).detail["options"] == {"weights": "imagenet"}


def test_weights_that_it_does_not_know_end_with_those_it_does(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    project = painted_project(tmp_path, detector="maskrcnn-r50-fpn")
    with pytest.raises(CommandError, match=r"starts from coco or none, not model\.pkl"):
        said("train", project.slug, "--weights", "model.pkl")


def test_a_wrong_option_leaves_nothing_behind(project: Project) -> None:
    pytest.importorskip("torchvision")
    slug = project.slug
    with pytest.raises(CommandError, match="iterations is 0"):
        said("train", slug, "--iterations", "0")
    with pytest.raises(CommandError, match=r"starts from .*, not nonsense"):
        said("train", slug, "--detector", "maskrcnn-small", "--weights", "nonsense")
    assert "done" in said("train", slug)
    assert current_round(project).detector == "fake"
    with pytest.raises(CommandError, match="max_masks is 0"):
        said("detect", slug, "--max-masks", "0")
    assert "done" in said("detect", slug)


def test_training_says_how_good_the_model_is_on_heldout_images(project: Project) -> None:
    assert "AP50" in said("train", project.slug)
    found = StageRun.objects.get(stage=Stage.TRAIN).detail["validation"]
    assert found["images"] == 4
    assert found["objects"] == 16
    assert 0 <= found["ap75"] <= found["ap50"] <= 1


def test_training_without_heldout_images_is_no_error(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.INITIAL: 2, Role.POOL: 1})
    assert "no held-out images" in said("train", project.slug)


def test_options_that_do_not_exist_are_named(tmp_path: Path) -> None:
    project = painted_project(tmp_path, detector_options={"iteratoins": 10})
    with pytest.raises(CommandError, match="iteratoins"):
        said("train", project.slug)


def test_options_of_a_stage_stand_apart_from_those_of_both(tmp_path: Path) -> None:
    options = {"device": "cpu", "iterations": 3, "train": {"batch_size": 1}, "detect": {"max_masks": 1}}
    project = painted_project(tmp_path, detector_options=options)
    said("run_pipeline", project.slug, "--until", "detect")
    shards = current_round(project).shards.all()
    assert sum(shard.masks for shard in shards) <= sum(shard.images for shard in shards)


def test_training_goes_on_with_the_options_it_was_begun_with(project: Project, monkeypatch) -> None:
    slug = project.slug
    with monkeypatch.context() as broken:
        broken.setattr(training, "get_detector", lambda name: 1 / 0)
        with pytest.raises(CommandError, match="ZeroDivisionError"):
            said("train", slug, "--iterations", "7", "--device", "cpu")
    said("train", slug)
    detail = StageRun.objects.get(stage=Stage.TRAIN).detail
    assert detail["losses"][-1]["iteration"] == 7
    assert detail["options"] == {"iterations": 7}


def failing_after(calls: int, real: Callable[..., object]) -> Callable[..., object]:
    """The function, which fails from a certain call on."""
    left = iter(range(calls, -1, -1))

    def called(*arguments: object, **named: object) -> object:
        return 1 / next(left) and real(*arguments, **named)

    return called


def test_all_who_detect_do_so_by_the_same_options(project: Project, monkeypatch) -> None:
    slug = project.slug
    said("train", slug)
    with monkeypatch.context() as broken:
        broken.setattr(detecting, "detect_shard", failing_after(2, detecting.detect_shard))
        with pytest.raises(CommandError, match="ZeroDivisionError"):
            said("detect", slug, "--features", "mask", "--shard-images", "4")
    with pytest.raises(CommandError, match="was begun with the options"):
        said("detect", slug, "--features", "backbone")
    StageRun.objects.filter(stage=Stage.DETECT).update(state=State.RUNNING)
    with pytest.raises(CommandError, match="was begun with the options"):
        said("detect", slug, "--join", "--features", "backbone")
    said("detect", slug, "--batch-size", "3")
    for shard in current_round(project).shards.all():
        with read_shard(shard) as reader:
            assert reader.feature_kinds == ["mask"]


def test_a_second_process_may_join_in(project: Project) -> None:
    said("train", project.slug)
    with pytest.raises(CommandError, match="nothing to help with"):
        said("detect", project.slug, "--join")
    for role in PREDICTED_ROLES:
        plan_shards(current_round(project), role, size=4)
    StageRun.objects.create(round=current_round(project), stage=Stage.DETECT, state=State.RUNNING)
    assert "Finished 3 shards" in said("detect", project.slug, "--join")
    said("detect", project.slug)
    with pytest.raises(CommandError, match="nothing to help with"):
        said("detect", project.slug, "--join")


def test_status_for_people(project: Project) -> None:
    said("run_pipeline", project.slug)
    text = said("status", project.slug)
    assert f"{project.slug}, round 1: open" in text
    assert "images      3 initial, 4 heldout, 6 pool" in text
    assert "detect      done 10 of 10" in text
    assert "asked about from a mean score of 0.10" in text
    assert "budget      0 questions of no cap" in text


def test_status_of_a_project_that_has_nothing_yet() -> None:
    text = said("status", factories.ProjectFactory().slug)
    assert "images      none" in text
    assert "train       not begun" in text


def test_status_for_scripts(project: Project) -> None:
    said("run_pipeline", project.slug)
    found = json.loads(said("status", project.slug, "--json"))
    assert [stage["state"] for stage in found["stages"]] == ["done"] * 5
    assert found["campaign"]["open_clusters"] > 0
    assert found["campaign"]["accepted_masks"] == 0
    assert found["campaign"]["questions_per_accepted_mask"] is None


def test_status_tells_a_stage_that_lost_its_process(project: Project) -> None:
    run = StageRun.objects.create(round=current_round(project), stage=Stage.TRAIN, state=State.RUNNING)
    assert "train       interrupted" in said("status", project.slug)
    with Claims() as process:
        process.take(Kind.STAGE, run.pk)
        assert "train       running" in said("status", project.slug)
