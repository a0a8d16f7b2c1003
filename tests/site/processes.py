"""Real processes for tests of what starts and ends them."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from django.conf import settings

FAMILY = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""
"""A program that starts a child, writes its id to the file named by the first argument, and stays."""

DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text("deaf")
time.sleep(600)
"""
"""A program that does not end when asked to."""


def until(condition: Callable[[], object], *, seconds: float = 30, waiting_for: str = "it") -> None:
    """Return once `condition()` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Waited {seconds} s for {waiting_for}"
        time.sleep(0.01)


def written(path: Path) -> str:
    """The text of a file that another process is about to write."""
    until(lambda: path.exists() and path.read_text(), waiting_for=path.name)
    return path.read_text()


def is_gone(pid: int) -> bool:
    """Whether no process has that id, or only one that nobody has collected yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that a leash waits for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def manage(var: Path, *words: str, log: Path) -> subprocess.Popen[bytes]:
    """A management command in a process of its own, with the servers of `var`."""
    settings_module = {"MASKGROVE_VAR": str(var), "DJANGO_SETTINGS_MODULE": "annotation_site.settings"}
    ours = {key: value for key, value in os.environ.items() if key != "MASKGROVE_THROWAWAY"}
    with log.open("a") as out:
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=settings.BASE_DIR,
            env={**ours, **settings_module},
            stdout=out,
            stderr=out,
        )


def serves(url: str) -> bool:
    """Whether a page that reads the database is served."""
    try:
        return httpx.get(f"{url}login/").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def member(process: subprocess.Popen[bytes], *words: str) -> psutil.Process | None:
    """The first living descendant whose command line holds all the words and is no leash."""
    for each in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            line = " ".join(each.cmdline())
            if all(word in line for word in words) and "leash.py" not in line:
                return each
    return None
