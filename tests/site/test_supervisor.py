"""A supervisor's children end with it, come back when they crash, and never run twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from annotation_site.local.processes import AlreadyRunning, Program, Supervisor, ended
from tests.site.processes import FAMILY, is_gone, until, written

SUPERVISOR = """
import pathlib, sys, time
from annotation_site.local.processes import Program, Supervisor
here = pathlib.Path(sys.argv[1])
with Supervisor(here / "run") as supervisor:
    supervisor.tell(url="http://localhost:8123/")
    command = (sys.executable, "-c", (here / "family.py").read_text(), str(here / "child"))
    supervisor.start(Program("family", command, log=here / "log"), at=0.0)
    time.sleep(600)
"""


def python(code: str, *arguments: str, log: Path, name: str = "child") -> Program:
    return Program(name, (sys.executable, "-c", code, *arguments), log=log, grace=5)


def crash(supervisor: Supervisor, *, at: float) -> list[str]:
    """Wait until the first child is dead, then look at it once."""
    until(lambda: supervisor.children[0].process.poll() is not None, waiting_for="a crash")
    return supervisor.check(at=at)


@pytest.fixture
def other(tmp_path: Path):
    """A supervisor in a process of its own, with a child that has a child."""
    (tmp_path / "family.py").write_text(FAMILY)
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)])
    written(tmp_path / "child")
    yield process
    process.kill()
    process.wait()


def test_leaving_ends_every_child_and_its_children(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "run") as supervisor:
        supervisor.start(python(FAMILY, str(tmp_path / "child"), log=tmp_path / "log"), at=0.0)
        grandchild = int(written(tmp_path / "child"))
    until(lambda: is_gone(grandchild), waiting_for="the grandchild to end")


def test_a_crashed_child_is_reported_and_runs_again_after_a_pause(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "run") as supervisor:
        supervisor.start(python("raise SystemExit(3)", log=tmp_path / "log", name="Site"), at=0.0)
        assert "Site ended with exit code 3" in crash(supervisor, at=1.0)[0]
        assert supervisor.check(at=1.4) == []
        assert supervisor.check(at=1.6) == ["Site runs again."]


def test_the_pause_doubles_with_crashes_in_a_row_and_is_forgotten_after_a_good_life(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "run") as supervisor:
        child = supervisor.start(python("raise SystemExit(3)", log=tmp_path / "log"), at=0.0)
        assert [child.pause(1.0), child.pause(1.0), child.pause(1.0)] == [0.5, 1.0, 2.0]
        assert [child.pause(1.0) for _ in range(9)][-1] == 30.0
        assert child.pause(100.0) == 0.5


def test_a_child_writes_to_its_log_and_gets_its_environment(tmp_path: Path) -> None:
    speaks = "import os; print('it is', os.environ['WHAT'])"
    program = Program("child", (sys.executable, "-c", speaks), tmp_path / "log", environment={"WHAT": "so"})
    with Supervisor(tmp_path / "run") as supervisor:
        supervisor.start(program, at=0.0)
        assert written(tmp_path / "log") == "it is so\n"


def test_a_second_supervisor_is_told_where_the_first_one_answers(tmp_path: Path, other) -> None:
    with pytest.raises(AlreadyRunning, match=f"process {other.pid}.*localhost:8123"):
        Supervisor(tmp_path / "run").__enter__()


def test_children_of_a_killed_supervisor_end_before_the_next_one_begins(tmp_path: Path, other) -> None:
    family = psutil.Process(other.pid).children(recursive=True)
    other.send_signal(signal.SIGKILL)
    other.wait()
    with Supervisor(tmp_path / "run"):
        until(lambda: all(is_gone(each.pid) for each in family), waiting_for="the old family to end")


def test_the_lock_is_free_again_after_leaving(tmp_path: Path) -> None:
    for _ in range(2):
        with Supervisor(tmp_path / "run"):
            assert (tmp_path / "run" / "supervisor.json").read_text().count(str(os.getpid())) == 1


def test_an_exit_code_is_told_as_what_happened() -> None:
    assert ended(1) == "ended with exit code 1"
    assert ended(137) == ended(-9) == "was ended by signal 9"
