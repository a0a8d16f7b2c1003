"""Child processes that end with us, are started again when they crash, and are reported when they do."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from annotation_site.embedded import leash

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
GOOD_LIFE = 60.0
"""Seconds after which a crash no longer counts as one of a row."""


class AlreadyRunning(Exception):
    """Another process runs the children of this directory."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run; `signal` asks it to end, after `grace` seconds it is killed with all its children.

    Without a `log` it writes where we do.
    """

    name: str
    command: tuple[str, ...]
    log: Path | None
    signal: str = "TERM"
    grace: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """A program as it runs; times are of the caller's monotonic clock, in seconds."""

    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    crashes: int = 0
    again_at: float | None = None

    def pause(self, at: float) -> float:
        """Seconds to wait before it runs again, doubling with each crash in a row."""
        self.crashes = 1 if at - self.started_at > GOOD_LIFE else self.crashes + 1
        return min(FIRST_PAUSE * 2.0 ** (self.crashes - 1), LONGEST_PAUSE)


class Supervisor:
    """Runs programs until it is left, by whatever way: locks that the kernel drops are what they live by.

    One supervisor at a time holds `lock`. It alone holds its own `alive-*`, which the leash of each child
    waits for; so children end when this process is killed with -9. Each leash keeps `children` as long as it
    lives, and the next supervisor begins once it can have that for itself.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.children: list[Child] = []
        self.errands: list[subprocess.Popen[bytes]] = []
        self._alive = directory / f"alive-{os.getpid()}-{secrets.token_hex(4)}"
        self._locks = ExitStack()
        self._children_lock = -1

    def __enter__(self) -> Supervisor:
        self.directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as locks:
            self._take(locks, self.directory / "lock", patience=0)
            self._children_lock = self._take(locks, self.directory / "children", patience=60)
            fcntl.flock(self._children_lock, fcntl.LOCK_SH)
            for left in self.directory.glob("alive-*"):
                left.unlink()
            self._take(locks, self._alive, patience=0)
            self._locks = locks.pop_all()
        self.tell(url="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._locks.close()
        self._alive.unlink(missing_ok=True)

    def _take(self, locks: ExitStack, path: Path, *, patience: float) -> int:
        """Lock a file for this process alone, within so many seconds; its descriptor."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        locks.callback(os.close, descriptor)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise AlreadyRunning(self._who_runs()) from None
                time.sleep(0.05)
            else:
                return descriptor

    def _who_runs(self) -> str:
        try:
            told = json.loads((self.directory / "supervisor.json").read_text())
        except (OSError, ValueError):
            told = {}
        where = f": {told['url']}" if told.get("url") else ""
        return f"It already runs here (process {told.get('pid', 'unknown')}){where}. End that one first."

    def tell(self, *, url: str) -> None:
        """Leave word of who runs the children and where they answer."""
        word = json.dumps({"pid": os.getpid(), "url": url})
        (self.directory / "supervisor.json").write_text(word)

    def start(self, program: Program, *, at: float) -> Child:
        """Run a program from now on."""
        child = Child(program, self._spawn(program), started_at=at)
        self.children.append(child)
        return child

    def send(self, program: Program) -> subprocess.Popen[bytes]:
        """Run a program that ends by itself, or with us; it is not started again."""
        self.errands.append(self._spawn(program))
        return self.errands[-1]

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        options = ["--lock", str(self._alive), "--signal", program.signal, "--grace", str(program.grace)]
        with ExitStack() as stack:
            log = None
            if program.log:
                program.log.parent.mkdir(parents=True, exist_ok=True)
                log = stack.enter_context(program.log.open("a"))
            return subprocess.Popen(
                [sys.executable, "-S", "-E", leash.__file__, *options, "--", *program.command],
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[self._children_lock],
            )

    def check(self, *, at: float) -> list[str]:
        """Start again what crashed, after its pause; a sentence for each thing that happened."""
        return [said for child in self.children if (said := self._check(child, at))]

    def _check(self, child: Child, at: float) -> str | None:
        if child.again_at is None:
            code = child.process.poll()
            if code is None:
                return None
            pause = child.pause(at)
            child.again_at = at + pause
            return f"{child.program.name} {ended(code)}, starts again in {pause:g} s, see {child.program.log}"
        if at < child.again_at:
            return None
        child.process, child.started_at, child.again_at = self._spawn(child.program), at, None
        return f"{child.program.name} runs again."

    def stop(self) -> None:
        """End every child and its children, all at once; return when they are gone."""
        processes = [child.process for child in self.children] + self.errands
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait()
        self.children.clear()
        self.errands.clear()


def ended(code: int) -> str:
    """How a process ended, from its exit code, for a sentence."""
    signal_number = code - 128 if code > 128 else -code
    return (
        f"was ended by signal {signal_number}" if code > 128 or code < 0 else f"ended with exit code {code}"
    )
