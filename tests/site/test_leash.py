"""A leash ends a program when nobody holds its lock any more, however they let go."""

import subprocess
import sys
from pathlib import Path

import psutil

from annotation_site.embedded import leash
from tests.site.processes import DEAF, FAMILY, is_gone, locked, until, written


def on_leash(lock: Path, *command: str, options: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-S", "-E", leash.__file__, "--lock", str(lock), *options, "--", *command]
    return subprocess.Popen(words, stderr=subprocess.DEVNULL)


def test_passes_the_exit_code_on(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        assert on_leash(tmp_path / "lock", sys.executable, "-c", "raise SystemExit(7)").wait() == 7


def test_says_which_signal_ended_the_program(tmp_path: Path) -> None:
    kills_itself = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with locked(tmp_path / "lock"):
        assert on_leash(tmp_path / "lock", sys.executable, "-c", kills_itself).wait() == 128 + 9


def test_the_program_and_its_children_end_when_the_lock_is_let_go(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        held = on_leash(tmp_path / "lock", sys.executable, "-c", FAMILY, str(tmp_path / "child"))
        grandchild = int(written(tmp_path / "child"))
        assert held.poll() is None
    held.wait(timeout=30)
    until(lambda: is_gone(grandchild), waiting_for="the program's child to end")


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        command = (sys.executable, "-c", DEAF, str(tmp_path / "ready"))
        held = on_leash(tmp_path / "lock", *command, options=("--grace", "0.1"))
        written(tmp_path / "ready")
    assert held.wait(timeout=30) == 128 + 9


def test_being_told_to_end_ends_the_program(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        held = on_leash(tmp_path / "lock", sys.executable, "-c", FAMILY, str(tmp_path / "child"))
        grandchild = int(written(tmp_path / "child"))
        held.terminate()
        held.wait(timeout=30)
        until(lambda: is_gone(grandchild), waiting_for="the program's child to end")


def test_the_program_ends_with_a_killed_leash(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        held = on_leash(tmp_path / "lock", sys.executable, "-c", FAMILY, str(tmp_path / "child"))
        written(tmp_path / "child")
        program = psutil.Process(held.pid).children()[0].pid
        held.kill()
        held.wait(timeout=30)
        until(lambda: is_gone(program), waiting_for="the program to end")
