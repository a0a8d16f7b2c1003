"""Runs a program that must not outlive those who need it.

    python leash.py --lock FILE [--alone] [--signal INT] [--grace 20] [--user NAME] -- PROGRAM ARGUMENTS...

Whoever needs the program holds a lock on FILE. The leash waits for that lock itself: once it gets it,
nobody is left, and the program and all its children end. The kernel drops the locks of a process however
it dies, so this holds after `kill -9` too. Should the leash itself be killed, the kernel tells the program
(on Linux). It needs nothing but the standard library, so that it starts in milliseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1


def parse(arguments: list[str]) -> argparse.Namespace:
    """Options of the leash, and the program's own command line as `command`."""
    parser = argparse.ArgumentParser(prog="leash", description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="wait for the lock as its only holder")
    parser.add_argument("--signal", default="TERM", help="what asks the program to end")
    parser.add_argument("--grace", type=float, default=20, help="seconds before it is killed")
    parser.add_argument("--user", help="account to run the program as")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def dies_with_parent(asked: signal.Signals) -> Callable[[], None] | None:
    """What a child calls before exec so that the kernel signals it when its parent is gone."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(asked), 0, 0, 0)


def start(command: list[str], *, asked: signal.Signals, user: str | None) -> subprocess.Popen[bytes]:
    """The program, in a session of its own and without its starter's groups when it changes account."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=dies_with_parent(asked),
        user=user,
        group=user_group(user) if user else None,
        extra_groups=[] if user else None,
    )


def user_group(user: str) -> int:
    """The primary group of an account."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def end_when_unneeded(lock: Path, *, alone: bool) -> None:
    """Block until the lock is free, then ask this process to end. The lock stays held until it has."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    os.kill(os.getpid(), signal.SIGTERM)


def kill_group(leader: int) -> None:
    """End what is left of the program's process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the program until it ends or nobody needs it; its exit code, 128 + n when signal n ended it."""
    options = parse(arguments)
    asked = signal.Signals[f"SIG{options.signal}"]
    program = start(options.command, asked=asked, user=options.user)

    def end(_number: int, _frame: FrameType | None) -> None:
        program.send_signal(asked)
        timer = threading.Timer(options.grace, kill_group, [program.pid])
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch = threading.Thread(
        target=end_when_unneeded, args=[options.lock], kwargs={"alone": options.alone}, daemon=True
    )
    watch.start()
    code = program.wait()
    kill_group(program.pid)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
