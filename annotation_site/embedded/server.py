"""A server under `var/` that lives as long as some process uses it.

Every process that uses the server holds a shared lock on `users.lock` in the server's directory. The first
one starts the server on a leash, which ends it when the last lock is gone; later ones attach. So a command in
a second terminal finds the server of the first, and nothing has to remember to stop it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

LONGEST_SOCKET_PATH = 100
"""Unix socket paths end at 103 bytes on macOS and 107 on Linux; the file name is counted in."""
LARGEST_LOG = 10 * 2**20


class ServerFailed(Exception):
    """An embedded server did not start."""


class Server(ABC):
    """One embedded server; `directory` is its own, e.g. `var/postgres`."""

    name: ClassVar[str]
    socket_name: ClassVar[str]
    stop_signal: ClassVar[str]
    seconds_to_start: ClassVar[float] = 60

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._users: int | None = None
        self._leash: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; known before the server runs."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client is served now."""

    @abstractmethod
    def prepare(self) -> None:
        """Make everything that the server needs before it starts; safe to repeat."""

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line, running in the foreground."""

    def account(self) -> str | None:
        """The account that it must run as; None: as we do."""
        return None

    @property
    def log(self) -> Path:
        """Where the server writes what happens to it."""
        return self.directory / "log"

    @property
    def socket_directory(self) -> Path:
        """Beside the data, or under /tmp where that path is too long for a socket or hard to quote."""
        beside = self.directory / "run"
        plain = re.fullmatch(r"[\w/.+-]+", str(beside), re.ASCII)
        if plain and len(str(beside / self.socket_name)) <= LONGEST_SOCKET_PATH:
            return beside
        digest = sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path("/tmp") / f"maskgrove-{os.getuid()}-{digest}"

    def ensure(self) -> None:
        """Return when the server answers, starting it if it does not run.

        Raises
        ------
        ServerFailed
            With the end of its log, when it does not start.
        """
        self.hold()
        if self.answers():
            return
        with self._starting():
            if not self.answers():
                self.prepare()
                self._start()

    def hold(self) -> None:
        """Take part in keeping the server alive; waits while it is being stopped."""
        if self._users is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.directory / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._users = descriptor

    def release(self, *, wait: float = 30) -> None:
        """Stop using the server. If no one else uses it, it ends; one that we started is waited for."""
        if self._users is None:
            return
        others = not self._try_alone()
        os.close(self._users)
        self._users = None
        if self._leash is not None and not others:
            self._leash.wait(timeout=wait)
            if self.socket_directory.parent != self.directory:
                shutil.rmtree(self.socket_directory, ignore_errors=True)
        self._leash = None

    def _try_alone(self) -> bool:
        """Whether no other process uses the server; gives our own lock up when so."""
        assert self._users is not None
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time starts the server."""
        with (self.directory / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start(self) -> None:
        from annotation_site.embedded import leash

        options = ["--lock", str(self.directory / "users.lock"), "--alone", "--signal", self.stop_signal]
        account = self.account()
        options += ["--user", account] if account else []
        fresh = "w" if self.log.exists() and self.log.stat().st_size > LARGEST_LOG else "a"
        with self.log.open(fresh) as log:
            self._leash = subprocess.Popen(
                [sys.executable, "-S", "-E", leash.__file__, *options, "--", *self.command()],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait(self._leash)

    def _wait(self, leash: subprocess.Popen[bytes]) -> None:
        """Until the server answers; it may have a crash to recover from first."""
        deadline = time.monotonic() + self.seconds_to_start
        while not self.answers():
            if leash.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} did not start. Its log {self.log} ends:\n{self.log_end()}")
            time.sleep(0.02)

    def log_end(self, lines: int = 12) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return "(empty)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def in_wheel(package: str, path: str) -> Path:
    """A file that an installed package carries, found without importing the package.

    Raises
    ------
    ServerFailed
        When it is not installed.
    """
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise ServerFailed(f"{package} is not installed: `pip install {package}`, or set the server's URL.")
    return Path(places[0]) / path


def own_socket_directory(path: Path, *, owner: int) -> None:
    """Make `path` a directory that only `owner` (a user id) and root can enter.

    Raises
    ------
    ServerFailed
        When someone else already owns that name.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid not in {os.getuid(), owner}:
        advice = "remove it, or set MASKGROVE_VAR to a shorter path"
        raise ServerFailed(f"{path} belongs to user {status.st_uid}: {advice}.")
    if status.st_uid != owner:
        os.chown(path, owner, -1)
    path.chmod(0o700)
