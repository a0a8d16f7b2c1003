"""The site on this machine: servers, migrations, static files, gunicorn and Celery workers, kept running."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connections

from annotation_site import embedded
from annotation_site.embedded.server import Server, ServerFailed
from annotation_site.local.ending import undisturbed
from annotation_site.local.processes import Program, Supervisor

Report = Callable[[str], None]
PORTS_TRIED = 100


class PortTaken(Exception):
    """The port that was asked for is in use."""


class SiteDown(Exception):
    """The site does not answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the site listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its root, as a browser on this machine reaches it."""
        return f"http://{'localhost' if self.host in {'127.0.0.1', '0.0.0.0'} else self.host}:{self.port}/"


class Site:
    """A running site. `tick` it often: it looks after the children and the servers."""

    def __init__(
        self, supervisor: Supervisor, servers: list[Server], address: Address, report: Report
    ) -> None:
        self.supervisor = supervisor
        self.servers = servers
        self.address = address
        self.report = report

    @property
    def url(self) -> str:
        """The root of the site."""
        return self.address.url

    def tick(self) -> None:
        """Start again what died, and say so."""
        for server in self.servers:
            if not server.answers():
                self._revive(server)
        for said in self.supervisor.check(at=time.monotonic()):
            self.report(said)

    def _revive(self, server: Server) -> None:
        self.report(f"{server.name} does not answer, starts again, see {server.log}")
        try:
            server.ensure()
        except ServerFailed as failure:
            self.report(str(failure))
        else:
            connections.close_all()

    def wait_until_it_answers(self, *, seconds: float = 120) -> None:
        """Return once a page is served.

        Raises
        ------
        SiteDown
            When none is, with where to look.
        """
        deadline = time.monotonic() + seconds
        while not answers(self.url):
            if time.monotonic() > deadline:
                raise SiteDown(f"The site does not answer at {self.url}: see {logs() / 'site.log'}.")
            self.tick()
            time.sleep(0.1)


@contextmanager
def running_site(*, host: str, port: int | None, report: Report) -> Iterator[Site]:
    """Everything that serves the site, until the block is left; then nothing of it runs any more.

    Parameters
    ----------
    port : None takes 8000, or the next one that is free

    Raises
    ------
    AlreadyRunning, PortTaken, ServerFailed
        With what to do.
    """
    with Supervisor(settings.VAR / "run") as supervisor:
        address = Address(host, free_port(host, port, report))
        servers = embedded_servers()
        try:
            for server in servers:
                server.ensure()
            prepare()
            for program in programs(address):
                supervisor.start(program, at=time.monotonic())
            supervisor.tell(url=address.url)
            yield Site(supervisor, servers, address, report)
        finally:
            with undisturbed():
                supervisor.stop()
                connections.close_all()
                for server in servers:
                    server.release()


def embedded_servers() -> list[Server]:
    """Those that are ours to look after: where a URL is set, somebody else does."""
    servers: list[Server] = []
    if not settings.DATABASE_URL:
        servers.append(embedded.postgres(settings.VAR))
    if settings.REDIS_EMBEDDED:
        servers.append(embedded.redis(settings.VAR))
    return servers


def has_database() -> bool:
    """Whether there is a database, running or not."""
    return bool(settings.DATABASE_URL) or embedded.postgres(settings.VAR).data.exists()


def logs() -> Path:
    """Where the site and the workers write."""
    directory: Path = settings.VAR / "log"
    return directory


GUNICORN = (
    "-m gunicorn annotation_site.wsgi --worker-class gthread --workers 2 --threads 8 --graceful-timeout 5"
    " --keep-alive 75 --no-control-socket"
)
CELERY = "-m celery --app workers worker --loglevel INFO --without-mingle --without-gossip"
LONG_WORK = "--queues cpu,gpu --concurrency 2 --hostname work@%h"
WHAT_IS_DUE = "--queues io --concurrency 3 --hostname io@%h --beat"
"""A worker of its own: leases, payments and messages wait for no stage."""


def programs(address: Address) -> list[Program]:
    """What runs beside the servers."""
    database = settings.DATABASE_URL or embedded.postgres(settings.VAR).url
    shared = {"DATABASE_URL": database, "REDIS_URL": settings.REDIS_URL, "MASKGROVE_VAR": str(settings.VAR)}
    schedule = str(settings.VAR / "run" / "beat")
    return [
        Program(
            "The site",
            (sys.executable, *GUNICORN.split(), "--bind", f"{address.host}:{address.port}"),
            log=logs() / "site.log",
            environment={**shared, "OMP_NUM_THREADS": "1"},  # Answers must not wait for arithmetic.
        ),
        Program(
            "The worker",
            (sys.executable, *CELERY.split(), *LONG_WORK.split()),
            log=logs() / "worker.log",
            grace=8,  # Stages end between two pieces; one that takes longer goes on from the piece before.
            environment=shared,
        ),
        Program(
            "The worker for what is due",
            (sys.executable, *CELERY.split(), *WHAT_IS_DUE.split(), "--schedule", schedule),
            log=logs() / "io.log",
            grace=8,
            environment=shared,
        ),
    ]


def prepare() -> None:
    """Bring the database and the collected static files up to date."""
    call_command("migrate", interactive=False, verbosity=0)
    if static_files_changed():
        call_command("collectstatic", interactive=False, verbosity=0)


def static_files_changed() -> bool:
    """Whether a static file is newer than what was collected last."""
    collected = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not collected.exists():
        return True
    last = collected.stat().st_mtime
    return any(
        Path(storage.path(name)).stat().st_mtime > last
        for finder in get_finders()
        for name, storage in finder.list([])
    )


def free_port(host: str, asked: int | None, report: Report) -> int:
    """The port that was asked for, or from 8000 on the first free one.

    Raises
    ------
    PortTaken
        When another program listens on the one that was asked for.
    """
    if asked is not None:
        if not is_free(host, asked):
            raise PortTaken(f"Port {asked} of {host} is in use: choose another with --port (make: PORT=).")
        return asked
    port = next((port for port in range(8000, 8000 + PORTS_TRIED) if is_free(host, port)), None)
    if port is None:
        raise PortTaken(
            f"Ports 8000 to {8000 + PORTS_TRIED - 1} are all in use: choose one with --port (make: PORT=)."
        )
    if port != 8000:
        report(f"Port 8000 is in use; taking {port}.")
    return port


def is_free(host: str, port: int) -> bool:
    """Whether one may listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Whether a page is served there, whatever it says."""
    try:
        return httpx.get(f"{url}healthz", timeout=5).status_code < 500
    except httpx.HTTPError:
        return False
