"""The usefulness experiment as work of a GPU worker: asked for by pages and programs, and stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from annotation_site import enqueue
from annotation_site.audit.models import Entry
from annotation_site.catalog import steps
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted, Stage, mark_done
from annotation_site.closing.archiving import archive
from annotation_site.closing.obstacles import obstacles
from annotation_site.results import comparisons
from annotation_site.results.comparisons import (
    ComparisonUnderWay,
    ask_for_comparison,
    carry_out_comparison,
    forget,
    go_on,
    stop_comparison,
)
from annotation_site.results.models import Comparison
from annotation_site.results.usefulness import SETS, Arm, NothingToCompare
from annotation_site.verification.next_round import start_round
from pipeline.detection.validation import Validation
from pipeline.progress import Progress
from tests.factories import NOON
from tests.site.painted_projects import painted_project
from tests.site.test_usefulness import annotate
from tests.site.verified_projects import answer_all, verified
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)
Do = Callable[..., None]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str]]:
    """What was left to workers: task, row, queue."""
    found: list[tuple[str, Any, str]] = []
    monkeypatch.setattr(
        enqueue, "_send", lambda task, arguments, *, queue, **_: found.append((task, *arguments, queue))
    )
    return found


@pytest.fixture
def project() -> Project:
    """Its second round begins with accepted masks; images are held out, and the pool is annotated."""
    found = verified([True] * 64)
    mark_done(current_round(found), Stage.OPEN, message="", at=NOON)
    found.images.create(name="held.png", path="held.png", width=64, height=48, role=Role.HELDOUT)
    start_round(project=found, now=True)
    return found


def arm(name: str, repeat: int, ap75: float) -> Arm:
    measured = Validation(images=1, objects=4, predictions=9, ap50=0.9, ap75=ap75, correct=0.5)
    return Arm(name, repeat, 2, 8, 0.25, measured)


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> Callable[[Do], None]:
    """Lets trainings be imagined; what is given is called with each one's progress."""

    def imagine(do: Do = lambda *_: None) -> None:
        def compare(
            _round: Any,
            *,
            seeds: int,
            watch: Callable[[str], Progress],
            each: Callable[[Arm], None],
            **_: Any,
        ) -> None:
            for place, name in enumerate(SETS):
                for repeat in range(seeds):
                    progress = watch(name)
                    progress(0, 10, "learning")
                    do(name, progress)
                    progress(10, 10, "learnt")
                    progress(1, 4, "measuring")
                    each(arm(name, repeat, 0.5 + place / 10 + repeat / 100))

        monkeypatch.setattr(comparisons, "compare_usefulness", compare)

    imagine()
    return imagine


def asked(project: Project, **more: Any) -> Comparison:
    return ask_for_comparison(project=project, by=None, at=NOON, **more)


def test_a_page_asks_a_gpu_worker_and_tells_what_was_measured(
    project: Project, admin_client: Client, sent: list[tuple[str, Any, str]], trains: object
) -> None:
    address = f"/projects/{project.slug}/rounds/"
    assert "Nothing was compared yet" in admin_client.get(address).text
    admin_client.post(f"{address}usefulness/", {"seeds": "2", "iterations": "30"})
    run = Comparison.objects.get()
    assert (run.seeds, run.iterations, run.round.number, run.asked_by.username) == (2, 30, 2, "admin")
    assert sent[-1] == ("maskgrove.compare_usefulness", run.pk, "gpu")
    assert Entry.objects.filter(what="results.Comparison", project_id=project.pk).count() == 1
    tasks.compare_usefulness(run.pk)
    run.refresh_from_db()
    assert (run.state, len(run.arms), run.done, run.total) == ("done", 6, 6000, 6000)
    page = admin_client.get(f"{address}?usefulness").text
    assert "with accepted masks" in page
    assert "0.705 ± 0.007" in page
    assert "<html" not in page


def test_programs_ask_watch_stop_go_on_and_delete(project: Project, admin_client: Client, trains) -> None:
    address = f"/api/v1/projects/{project.slug}/usefulness"

    def send(verb: str, path: str = "", **body: Any) -> Any:
        return getattr(admin_client, verb)(f"{address}{path}", body, content_type="application/json")

    made = send("post", seeds=2)
    assert made.status_code == 202
    one = f"/{made.json()['id']}"
    assert made.headers["Location"].endswith(f"usefulness{one}")
    assert send("post").json()["type"] == "comparison-under-way"
    assert send("post", f"{one}/stop").json()["state"] == "stopped"
    assert send("post", f"{one}/go-on").json()["state"] == "waiting"
    tasks.compare_usefulness(made.json()["id"])
    done = send("get", one).json()
    assert (done["state"], done["arms"][-1]["trained_on"], done["arms"][-1]["ap75"]) == (
        "done",
        "initial + accepted",
        0.71,
    )
    assert [row["id"] for row in send("get").json()["results"]] == [done["id"]]
    assert send("delete", one).status_code == 204
    assert send("get", one).status_code == 404


@pytest.mark.parametrize(
    ("undo", "said"),
    [
        (lambda project: project.rounds.get(number=2).known.all().delete(), "begin the next round"),
        (lambda project: project.images.filter(role=Role.HELDOUT).delete(), "held-out"),
        (lambda project: [image.annotations.all().delete() for image in project.images.all()], "COCO"),
    ],
    ids=["no round", "nothing held out", "no truth"],
)
def test_what_is_missing_is_told_before_anything_is_trained(
    project: Project, admin_client: Client, undo: Callable[[Project], object], said: str
) -> None:
    undo(project)
    with pytest.raises(NothingToCompare, match=said):
        asked(project)
    page = admin_client.get(f"/projects/{project.slug}/rounds/").text
    assert 'id="nothing-to-compare"' in page
    assert said in page
    told = admin_client.post(f"/api/v1/projects/{project.slug}/usefulness", content_type="application/json")
    assert (told.status_code, told.json()["type"]) == (422, "nothing-to-compare")


@pytest.mark.parametrize("numbers", [{"seeds": 0}, {"seeds": 21}, {"iterations": 0}], ids=str)
def test_numbers_out_of_range_are_refused(project: Project, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="give 1 to"):
        asked(project, **numbers)


def test_one_at_a_time(project: Project) -> None:
    first = asked(project)
    with pytest.raises(ComparisonUnderWay):
        asked(project)
    stop_comparison(first, at=NOON)
    asked(project)
    with pytest.raises(ComparisonUnderWay):
        go_on(first)


def test_progress_never_goes_back_and_names_the_set(project: Project, trains) -> None:
    run, seen = asked(project), list[tuple[int, str]]()
    carry_out_comparison(run, also=lambda done, _total, message="": seen.append((done, message)))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert "initial + drawn: learning" in [message for _, message in seen]


def test_a_stop_ends_it_and_keeps_what_is_measured(
    project: Project, trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)
    run = asked(project)

    def stop(name: str, _progress: Progress) -> None:
        if name == "initial + drawn":
            Comparison.objects.update(stop_requested=True)

    trains(stop)
    carry_out_comparison(run)
    run.refresh_from_db()
    assert (run.state, [one["trained_on"] for one in run.arms]) == ("stopped", ["initial"])
    trains()
    assert go_on(run)
    carry_out_comparison(run)
    run.refresh_from_db()
    assert (run.state, len(run.arms)) == ("done", 3)


def test_a_worker_that_must_end_leaves_it_to_others(project: Project, trains, sent) -> None:
    run = asked(project)

    def end(*_: object) -> None:
        raise Interrupted("The worker ends.")

    carry_out_comparison(run, also=end)
    run.refresh_from_db()
    assert run.state == "waiting"
    tasks.resume_preparing()
    assert ("maskgrove.compare_usefulness", run.pk, "gpu") in sent


def test_one_whose_processes_die_is_given_up(project: Project, trains) -> None:
    run = asked(project)

    class Killed(BaseException):
        """What ends a process without a word to its row."""

    def die(*_: object) -> None:
        raise Killed

    for _ in range(MOST_DEATHS):
        with pytest.raises(Killed):
            carry_out_comparison(run, also=die)
    assert carry_out_comparison(run).state == "failed"
    assert "batch size" in run.error


def test_archiving_stops_it_and_what_is_at_work_hinders_deleting(project: Project, trains) -> None:
    run, found = asked(project), list[str]()
    trains(lambda *_: found.extend(obstacles(project)))
    carry_out_comparison(run)
    assert any("comparisons" in text for text in found)
    other = asked(project)
    archive(project=project, at=NOON)
    other.refresh_from_db()
    assert other.state == "stopped"
    assert forget(other)


@pytest.mark.slow
@pytest.mark.usefixtures("own_artifacts")
def test_what_a_worker_measures_is_what_the_command_prints(tmp_path: Path) -> None:
    project = painted_project(tmp_path, k_pa=0.05, n_s=3)
    annotate(project)
    call_command("run_pipeline", project.slug)
    answer_all(project, says=lambda item: "yes")
    start_round(project=project, now=True)
    run = carry_out_comparison(asked(project))
    run.refresh_from_db()
    assert (run.state, run.error) == ("done", "")
    assert [one["trained_on"] for one in run.arms] == list(SETS)
    assert run.arms[2]["masks"] == project.rounds.get(number=2).known.count() > 0
    assert all(0 <= one["ap75"] <= 1 for one in run.arms)
