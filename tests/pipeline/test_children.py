"""Processes of a pool end with the one that began them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0

PROGRAM = """
import sys, time
from pathlib import Path
from pipeline.children import pool

def tell(folder):
    import os
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with pool(2) as others:
        list(others.map(tell, [sys.argv[1]] * 2))
"""


def test_none_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    program, told = tmp_path / "program.py", tmp_path / "told"
    program.write_text(PROGRAM)
    told.mkdir()
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, program, told], env={**os.environ, "PYTHONPATH": str(root)}, start_new_session=True
    )
    try:
        until(lambda: len(list(told.iterdir())) == 2)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not any(alive(int(path.name)) for path in told.iterdir()))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
