"""The demo, tiny: to its report by a crowd, and over the death of each of its processes and of itself."""

import json
import re
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import psycopg
import pytest
from django.contrib.auth.models import User
from pycocotools.coco import COCO

from annotation_site import embedded
from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.catalog.models import Project, Tree
from annotation_site.local.demo import SCALES, NotThisDemo, begin, elapsed, forget, has_images
from annotation_site.local.demonstration import every
from annotation_site.local.processes import Supervisor
from annotation_site.marketplaces.models import Payment
from annotation_site.verification.models import Overruling
from annotation_site.verification.overruling import overrule, undo_overruling
from tests.factories import NOON
from tests.site.campaigns import add_tree, opened, project_with_tree
from tests.site.processes import is_gone, manage, member, serves, until, unused_port, written

DEMO = ("demo", "--scale", "tiny")
REPORTED = {
    "accepted_masks", "precision", "sq", "coverage", "questions", "questions_per_accepted_mask",
    "human_hours", "drawing_hours",
}  # fmt: skip


def rows(var: Path, statement: str) -> list[tuple]:
    with psycopg.connect(embedded.postgres(var).url) as connection:
        return connection.execute(statement).fetchall()


def answers(var: Path) -> int:
    """How many judgments there are; of a database that is away, -1."""
    with suppress(psycopg.OperationalError):
        return rows(var, "SELECT count(*) FROM verification_judgment")[0][0]
    return -1


def link(log: Path) -> str:
    """The worker's link as the demo printed it."""
    until(lambda: re.search(r"Worker +\S+", log.read_text()), seconds=120, waiting_for="the links")
    return re.search(r"Worker +(\S+)", log.read_text()).group(1)


def ready(log: Path, *, times: int = 1) -> None:
    """Wait until the demo has said so many times that a question waits."""
    until(
        lambda: log.read_text().count("The first question waits") >= times,
        seconds=240,
        waiting_for="the first question",
    )


@pytest.fixture
def demo(tmp_path: Path):
    """Starts the demo, again and again if need be; what is left of it is ended."""
    started: list[subprocess.Popen] = []

    def start(*options: str) -> subprocess.Popen:
        started.append(manage(tmp_path, *DEMO, *options, log=tmp_path / "demo.log"))
        return started[-1]

    (tmp_path / "demo.log").touch()
    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=240)


@pytest.mark.slow
def test_a_crowd_takes_it_to_its_report(demo, tmp_path: Path) -> None:
    assert demo("--crowd", "3", "--port", str(unused_port())).wait(timeout=400) == 0
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report.keys() >= REPORTED
    assert report["questions"] > 0
    assert len(COCO(str(tmp_path / "demo" / "annotations.json")).anns) == report["accepted_masks"]
    assert stat.S_IMODE((tmp_path / "demo" / "admin.json").stat().st_mode) == 0o600


@pytest.mark.slow
def test_every_answer_is_there_once_after_kill_9_of_everything(demo, tmp_path: Path) -> None:
    log, port = tmp_path / "demo.log", str(unused_port())
    running = demo("--port", port)
    ready(log)
    first_link, finished = link(log), rows(tmp_path, STAGES)
    site = first_link.partition("w/")[0]
    crowd = manage(tmp_path, *crowd_at(site), log=tmp_path / "crowd.log")

    for words in (("gunicorn",), ("postgres", "-D"), ("celery", "worker")):
        more_answers(tmp_path)
        member(running, *words).kill()
        until(lambda: serves(site), seconds=90, waiting_for=f"the site without its {words[0]}")
    more_answers(tmp_path)
    running.send_signal(signal.SIGKILL)
    running.wait()
    demo("--port", port)
    ready(log, times=2)
    assert crowd.wait(timeout=240) == 0

    acknowledged = int(re.search(r"(\d+) answers in all", written(tmp_path / "crowd.log")).group(1))
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT item_id) FROM verification_judgment") == [
        (acknowledged, acknowledged)
    ]
    assert rows(tmp_path, STAGES) == finished, "no finished step was repeated"
    assert link(log) == first_link
    assert manage(tmp_path, "check_campaign", "demo", log=tmp_path / "check.log").wait(timeout=240) == 0


STAGES = "SELECT stage, state, started_at, finished_at FROM catalog_stagerun ORDER BY id"


def crowd_at(site: str) -> tuple[str, ...]:
    """Workers slow enough to be interrupted."""
    return ("simulate_crowd", "demo", "--workers", "3", "--speed", "6", "--without-photos", "--url", site)


def more_answers(var: Path) -> None:
    """Wait until the crowd has answered some more."""
    until(lambda: answers(var) >= 0, seconds=90, waiting_for="the database")
    before = answers(var)
    until(lambda: answers(var) > before + 3, seconds=90, waiting_for="answers")


@pytest.mark.slow
def test_what_it_makes_is_forgotten_on_request(demo, tmp_path: Path) -> None:
    running = demo("--port", str(unused_port()))
    ready(tmp_path / "demo.log")
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=240) == 0
    assert demo("--forget").wait(timeout=240) == 0
    assert not (tmp_path / "demo").exists()
    server = embedded.postgres(tmp_path)
    server.ensure()
    assert rows(tmp_path, "SELECT count(*) FROM catalog_project") == [(0,)]
    server.release()


@pytest.fixture
def here(tmp_path: Path, settings) -> Path:
    """A `var` of this test alone, on the database of this run."""
    settings.VAR = tmp_path
    settings.DATABASE_URL = "that of the tests"
    return tmp_path


@pytest.mark.django_db
def test_beginning_again_finds_the_same_project_worker_and_password(here: Path) -> None:
    first = begin(SCALES["tiny"])
    set_caps(project=first.project, questions=7, money=None)
    again = begin(SCALES["tiny"])
    assert again == first
    assert budget_of(again.project).questions == 7, "a cap that someone changed stays"
    assert first.project.generated
    assert not has_images(first.project, SCALES["tiny"])


@pytest.mark.django_db
def test_the_admin_can_sign_in_even_after_the_password_file_was_lost(here: Path, client) -> None:
    begin(SCALES["tiny"])
    (here / "demo" / "admin.json").unlink()
    assert client.login(username="demo", password=begin(SCALES["tiny"]).password)


@pytest.mark.django_db
def test_a_project_of_the_users_own_is_never_taken_for_the_demo(here: Path) -> None:
    Project.objects.create(slug="demo", name="Demo")
    with pytest.raises(NotThisDemo, match="a project of yours"):
        begin(SCALES["tiny"])
    assert not forget() or Project.objects.filter(slug="demo").exists()


@pytest.mark.django_db
def test_another_scale_is_refused_until_the_demo_is_forgotten(here: Path) -> None:
    begin(SCALES["tiny"])
    with pytest.raises(NotThisDemo, match="make clean-demo"):
        begin(SCALES["full"])
    assert forget()
    assert begin(SCALES["full"]).project.detector == "maskrcnn-small"


@pytest.mark.django_db
def test_a_demo_with_verdicts_by_hand_and_payments_is_forgotten(here: Path) -> None:
    demo = begin(SCALES["tiny"])
    admin = User.objects.get(username="demo")
    window, round_ = demo.project.categories.first(), demo.project.rounds.create(number=1)
    tree = add_tree(round_, [True] * 4, scores=np.full(4, 0.9), category=window)
    opened(demo.project)
    undo_overruling(overruling=overruled(tree, by=admin), by=admin, at=NOON)
    overruled(tree, by=admin)
    Payment.objects.create(membership=demo.project.members.first(), money=1, by="demo", once=uuid4(), at=NOON)
    assert forget()
    assert not Project.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_author_of_verdicts_in_a_project_of_the_users_own_stays_and_cannot_sign_in(
    here: Path, client
) -> None:
    password = begin(SCALES["tiny"]).password
    own = opened(project_with_tree([True] * 4))
    made = overruled(own.rounds.get().trees.get(), by=User.objects.get(username="demo"))
    assert forget()
    assert list(Project.objects.all()) == [own]
    made.refresh_from_db()
    assert made.by.username == "demo"
    assert not client.login(username="demo", password=password)
    assert client.login(username="demo", password=begin(SCALES["tiny"]).password)


def overruled(tree: Tree, *, by: User) -> Overruling:
    """An accept of the whole tree."""
    return overrule(tree=tree, node=2 * tree.n - 2, verdict="accept", reason="all fine", by=by, at=NOON)


def test_a_running_demo_is_not_forgotten(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "run"):
        assert manage(tmp_path, "demo", "--forget", log=tmp_path / "log").wait(timeout=120) == 1
    assert "already runs here" in (tmp_path / "log").read_text()


def test_forgetting_where_nothing_is_starts_no_server(tmp_path: Path) -> None:
    assert manage(tmp_path, "demo", "--forget", log=tmp_path / "log").wait(timeout=120) == 0
    assert "There is no demo" in (tmp_path / "log").read_text()
    assert not (tmp_path / "postgres").exists()


def test_time_is_told_in_minutes_and_seconds() -> None:
    assert elapsed(0) == "0:00"
    assert elapsed(245.4) == "4:05"


def test_what_is_throttled_is_done_at_most_once_in_its_time() -> None:
    done: list[int] = []
    often, seldom = every(0, lambda: done.append(1)), every(600, lambda: done.append(2))
    for _ in range(3):
        often()
        seldom()
    assert done.count(1) == 3
    assert done.count(2) == 1


@pytest.mark.slow
def test_kill_9_while_scenes_are_painted_leaves_no_process(demo, tmp_path: Path) -> None:
    running = manage(tmp_path, "demo", "--port", str(unused_port()), log=tmp_path / "demo.log")
    until(lambda: member(running, "spawn_main"), seconds=180, waiting_for="painters")
    everyone = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    until(lambda: all(is_gone(each.pid) for each in everyone), seconds=60, waiting_for="them all to end")
