"""manage.py report"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.results.report_text import print_report
from annotation_site.results.reporting import Report, report
from pipeline.coco import replacing

PLAIN_WIDTH = 120
"""Columns where there is no terminal to ask."""


class Command(BaseCommand):
    """Parse, derive, print."""

    help = "Print what a project brought and what it cost: accepted masks, quality, questions, hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--json", type=Path, metavar="FILE", help="Write the same as JSON.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            found = report(find_project(options["project"]))
            if options["json"]:
                with replacing(Path(options["json"])) as file:
                    file.write(json.dumps(found.to_json(), indent=2, allow_nan=False) + "\n")
        except (UnknownProject, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self._drawn(found))

    def _drawn(self, found: Report) -> str:
        terminal = self.stdout.isatty()
        console = Console(force_terminal=terminal, width=None if terminal else PLAIN_WIDTH)
        with console.capture() as captured:
            print_report(found, console)
        return captured.get()
