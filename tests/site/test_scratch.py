"""Temporary files of a killed worker are cleared away by the next one, those of a living one are not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery.signals import task_prerun
from django.conf import settings

from annotation_site import scratch
from annotation_site.scratch import Scratch
from tests.site.processes import is_gone, until, written
from workers import celery

HOLDER = """
import os, sys, time
from pathlib import Path
from annotation_site.scratch import Scratch

held = Scratch(Path(sys.argv[1]))
(held.folder / "rows").write_bytes(b"x" * 1000)
child = os.fork() if len(sys.argv) > 3 else 0
if child or len(sys.argv) == 3:
    Path(sys.argv[2]).write_text(f"{held.folder} {child}")
time.sleep(600)
"""
"""Takes a folder in the place of the first argument, tells of it in the second, forks if there is a third."""


@contextmanager
def holder(place: Path, told: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, int]]:
    """A process with a folder, which folder, and its child's number."""
    command = [sys.executable, "-c", HOLDER, str(place), str(told), *words]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR)
    try:
        folder, child = written(told).split()
        yield process, Path(folder), int(child)
    finally:
        process.kill()
        process.wait()


def test_each_has_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    one, another = Scratch(tmp_path / "place"), Scratch(tmp_path / "place")
    assert one.folder != another.folder
    (one.folder / "rows").touch()
    one.clear()
    another.clear()
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["turn"]


def test_what_a_killed_process_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with holder(place, tmp_path / "a") as (dead, left, _), holder(place, tmp_path / "b") as (_, living, _):
        dead.kill()
        dead.wait()
        Scratch(place).clear()
        assert not left.exists()
        assert (living / "rows").exists()


def test_a_child_that_outlives_its_parent_keeps_the_folder(tmp_path: Path) -> None:
    with holder(tmp_path / "place", tmp_path / "told", "fork") as (parent, folder, child):
        parent.kill()
        parent.wait()
        Scratch(tmp_path / "place").clear()
        assert (folder / "rows").exists()
        os.kill(child, signal.SIGKILL)
        until(lambda: is_gone(child), waiting_for="the child to be gone")
        Scratch(tmp_path / "place").clear()
        assert not folder.exists()


def test_what_another_machine_left_goes_when_it_is_old(tmp_path: Path, monkeypatch) -> None:
    """Its lock may look free through a mount that keeps locks to itself."""
    boot = tmp_path / "boot"
    monkeypatch.setattr(scratch, "BOOT", boot)
    boot.write_text("there\n")
    left = Scratch(tmp_path / "place")
    left._lock.close()
    boot.write_text("here\n")
    Scratch(tmp_path / "place")
    assert left.folder.exists()
    long_ago = time.time() - scratch.OLD - 60
    os.utime(scratch._lock_of(left.folder), (long_ago, long_ago))
    assert left.touch()
    Scratch(tmp_path / "place")
    assert left.folder.exists(), "Somebody was at it since."
    os.utime(scratch._lock_of(left.folder), (long_ago, long_ago))
    Scratch(tmp_path / "place")
    assert not left.folder.exists()


def test_machines_without_a_boot_id_go_by_their_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "BOOT", tmp_path / "nothing")
    monkeypatch.setattr(scratch.platform, "node", lambda: "a.local")
    left = Scratch(tmp_path / "place")
    left._lock.close()
    Scratch(tmp_path / "place")
    assert left.folder.name.startswith("a.local-")
    assert not left.folder.exists()


def open_to_others(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)


def pointing_elsewhere(place: Path) -> None:
    (place.parent / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(place.parent / "elsewhere")


def pointing_nowhere(place: Path) -> None:
    place.symlink_to(place.parent / "nowhere")


@pytest.mark.parametrize("made", [open_to_others, pointing_elsewhere, pointing_nowhere])
def test_a_place_that_others_can_write_to_is_not_used(tmp_path: Path, made, caplog) -> None:
    place = tmp_path / "place"
    made(place)
    held = Scratch(place)
    private = held.folder.parent
    assert (private.parent, private.name[:6]) == (tmp_path, "place-")
    assert private.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "elsewhere").exists() or not any((tmp_path / "elsewhere").iterdir())
    assert "Others can write to" in caplog.text


def test_a_place_of_another_user_is_not_used(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "place").mkdir(mode=0o700)
    monkeypatch.setattr(scratch.os, "getuid", lambda: 12345)
    assert Scratch(tmp_path / "place").folder.parent != tmp_path / "place"


def test_whose_turn_it_is_is_written_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir(mode=0o700)
    (tmp_path / "place" / "turn").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        Scratch(tmp_path / "place")
    assert not (tmp_path / "precious").exists()


def test_where_there_are_no_locks_nothing_is_cleared_away(tmp_path: Path, monkeypatch) -> None:
    def unable(*_: object) -> None:
        raise OSError("No locks available")

    left = Scratch(tmp_path)
    left._lock.close()
    monkeypatch.setattr(scratch.fcntl, "flock", unable)
    Scratch(tmp_path)
    assert left.folder.exists()


def test_a_worker_keeps_its_temporary_files_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    celery.take_scratch()
    with tempfile.TemporaryDirectory() as made:
        assert Path(made).is_relative_to(scratch.place_of_user().parent)
        assert Path(made).parent == celery.SCRATCH[0].folder
        assert Path(made).is_relative_to(tmp_path)
    celery.leave_scratch()
    assert not celery.SCRATCH
    assert [path.name for path in tmp_path.glob("*/*")] == ["turn"]


def test_a_task_has_a_folder_though_all_was_cleared_away_meanwhile(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    celery.take_scratch()
    first = celery.SCRATCH[0].folder
    task_prerun.send(None)
    assert celery.SCRATCH[-1].folder == first
    shutil.rmtree(first.parent)
    task_prerun.send(None)
    with tempfile.TemporaryDirectory() as made:
        assert Path(made).parents[1] == first.parent
    celery.leave_scratch()
    assert [path.name for path in tmp_path.glob("*/*")] == ["turn"]


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.gpu"])
def test_containers_keep_temporary_files_where_there_is_room(file: str) -> None:
    assert "TMPDIR=/var/lib/maskgrove" in (settings.BASE_DIR / file).read_text()
