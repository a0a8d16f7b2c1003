"""`manage.py demo`: a complete project on generated scenes."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from annotation_site.embedded.server import ServerFailed
from annotation_site.local.demo import SCALES, NotThisDemo, forget
from annotation_site.local.demonstration import CrowdFailed, Demonstration, PipelineFailed
from annotation_site.local.ending import until_told_to_end
from annotation_site.local.processes import AlreadyRunning, Supervisor
from annotation_site.local.site import PortTaken, SiteDown, has_database, running_site

INTERRUPTED = 130
REFUSALS = (NotThisDemo, AlreadyRunning, PortTaken, ServerFailed, SiteDown, PipelineFailed, CrowdFailed)


class Command(BaseCommand):
    """Serve, prepare, then stay or let a crowd answer."""

    help = (
        "Run a complete project on generated scenes: servers, site and worker start, a model is trained and"
        " people can answer. Run again: what is finished is reused."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--crowd", type=int, metavar="N", help="let N simulated workers answer, report, and end"
        )
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
        )
        parser.add_argument(
            "--port", type=int, help="port to listen on (default: 8000, or the next free one)"
        )
        parser.add_argument("--scale", choices=SCALES, default="full", help="tiny: a few scenes, no training")
        parser.add_argument("--forget", action="store_true", help="remove the demo's project and files")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        console = Console(highlight=False)
        began = time.monotonic()
        try:
            if options["forget"]:
                self._forget(console)
            else:
                self._run(console, began, **options)
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from None

    def _forget(self, console: Console) -> None:
        with Supervisor(settings.VAR / "run"):  # Nothing may be using it.
            if has_database():
                call_command("migrate", interactive=False, verbosity=0)
            console.print("The demo is forgotten." if forget() else "There is no demo.")

    def _run(
        self,
        console: Console,
        began: float,
        *,
        host: str,
        port: int | None,
        crowd: int | None,
        scale: str,
        **_: Any,
    ) -> None:
        complete = False
        with until_told_to_end(), running_site(host=host, port=port, report=console.log) as site:
            site.wait_until_it_answers()
            demonstration = Demonstration(site, console, SCALES[scale], began=began)
            demonstration.introduce()
            demonstration.prepare()
            if not crowd:
                demonstration.stay()
            demonstration.let_crowd_answer(crowd or 0)
            complete = True
        console.print("Everything has ended.")
        if crowd and not complete:
            raise SystemExit(INTERRUPTED)
