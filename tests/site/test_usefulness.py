"""What accepted masks are worth to a model: three trainings that differ in what they learn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Annotation, Project, Role
from annotation_site.results.usefulness import drawn_images
from annotation_site.verification.models import Cluster, Judgment
from tests.site.painted_projects import painted_project
from tests.site.verified_projects import answer_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return painted_project(tmp_path, k_pa=0.05, n_s=3)


def annotate(project: Project) -> None:
    """Pool images count as annotated when a COCO file listed them."""
    for image in project.images.filter(role=Role.POOL):
        image.coco_id = image.pk
        image.save()


def test_drawn_masks_are_whole_images_and_no_more_than_wanted(project: Project) -> None:
    annotate(project)
    found = drawn_images(project, masks=10)
    assert [len(image.masks) for image in found] == [4, 4]
    assert not any(image.sparse for image in found)
    assert [i.source.name for i in drawn_images(project, masks=10)] == [i.source.name for i in found]
    assert drawn_images(project, masks=3) == []


def test_three_models_are_compared(project: Project, tmp_path: Path, capsys) -> None:
    annotate(project)
    call_command("run_pipeline", project.slug)
    answer_all(project, says=lambda item: "yes")
    call_command("usefulness", project.slug, seeds=2, json=tmp_path / "out.json")
    rows = json.loads((tmp_path / "out.json").read_text())
    sets = ["initial", "initial + drawn", "initial + accepted"]
    assert [(row["trained_on"], row["repeat"]) for row in rows] == [(one, n) for one in sets for n in (0, 1)]
    arms = rows[::2]
    assert [(row["images"], row["masks"]) for row in rows[1::2]] == [(a["images"], a["masks"]) for a in arms]
    assert arms[0]["images"] == arms[0]["masks"] == 0
    assert arms[2]["images"] > 0
    assert {arm["heldout_images"] for arm in arms} == {project.images.filter(role=Role.HELDOUT).count()}
    known = project.rounds.get(number=2).known.count()
    assert arms[2]["masks"] == known > 0
    assert arms[1]["masks"] * 80 <= arms[2]["hours"] * 3600
    assert all(0 <= arm["ap50"] <= 1 for arm in arms)
    told = capsys.readouterr().out
    assert "initial + accepted" in told
    assert told.count("±") == 2 * len(sets)


def test_answers_of_the_round_that_learns_bought_none_of_what_it_learns(
    project: Project, tmp_path: Path
) -> None:
    annotate(project)
    call_command("run_pipeline", project.slug)
    answer_all(project, says=lambda item: "yes" if item.question.category.name == "brick" else "no")
    Judgment.objects.update(elapsed_ms=8_000, at=timezone.now())
    call_command("start_round", project.slug, now=True)
    bought = list(Judgment.objects.values_list("pk", flat=True))
    call_command("run_pipeline", project.slug)
    answer_all(project, says=lambda item: "no")
    assert Judgment.objects.exclude(pk__in=bought).update(elapsed_ms=8_000, at=timezone.now())
    call_command("usefulness", project.slug, json=tmp_path / "out.json")
    _, drawn, accepted = json.loads((tmp_path / "out.json").read_text())
    assert accepted["hours"] == pytest.approx(len(bought) * 8 / 3600)
    assert drawn["masks"] <= len(bought) * 8 / 80


def test_a_campaign_that_still_asks_is_left_alone_unless_that_is_said(project: Project) -> None:
    call_command("run_pipeline", project.slug)
    with pytest.raises(CommandError, match=r"open clusters to ask about: .* --now"):
        call_command("usefulness", project.slug)
    assert Cluster.objects.filter(is_open=True).exists()
    assert project.rounds.count() == 1


def test_what_is_missing_is_said(project: Project) -> None:
    with pytest.raises(CommandError, match="at least 1 training"):
        call_command("usefulness", project.slug, seeds=0)
    call_command("run_pipeline", project.slug)
    with pytest.raises(CommandError, match="is accepted yet"):
        call_command("usefulness", project.slug, now=True)
    answer_all(project, says=lambda item: "yes")
    Annotation.objects.filter(image__role=Role.POOL).delete()
    with pytest.raises(CommandError, match="no annotations"):
        call_command("usefulness", project.slug)
    with Claims() as worker:
        worker.take(Kind.COMPARISON_TURN, project.pk)
        with pytest.raises(CommandError, match="A worker compares"):
            call_command("usefulness", project.slug)
