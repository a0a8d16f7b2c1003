"""`manage.py serve`: the site and its workers, on whatever projects there are."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from annotation_site.embedded.server import ServerFailed
from annotation_site.local.ending import until_told_to_end
from annotation_site.local.processes import AlreadyRunning
from annotation_site.local.site import PortTaken, SiteDown, running_site


class Command(BaseCommand):
    """Serve until Ctrl-C."""

    help = (
        "Start Postgres and Redis (unless DATABASE_URL and REDIS_URL name others), the site and its workers,"
        " and keep them running until Ctrl-C."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
        )
        parser.add_argument(
            "--port", type=int, help="port to listen on (default: 8000, or the next free one)"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        console = Console(highlight=False)
        try:
            with (
                until_told_to_end(),
                running_site(host=options["host"], port=options["port"], report=console.log) as site,
            ):
                site.wait_until_it_answers()
                console.print(f"The site answers at [bold]{site.url}[/bold]. Ctrl-C ends it.")
                while True:
                    site.tick()
                    time.sleep(1)
        except (AlreadyRunning, PortTaken, ServerFailed, SiteDown) as refusal:
            raise CommandError(str(refusal)) from None
        console.print("Everything has ended.")
