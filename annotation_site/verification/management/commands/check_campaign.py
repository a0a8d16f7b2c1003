"""manage.py check_campaign"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.verification.checking import INVARIANTS, check_campaign


class Command(BaseCommand):
    """Parse; `verification.checking` does it."""

    help = "Compute a campaign's state from its facts, and compare: what is open, asked, leased and spent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = find_project(options["project"])
        except UnknownProject as refusal:
            raise CommandError(str(refusal)) from refusal
        found = check_campaign(project)
        if found:
            raise CommandError(f"{project} contradicts its facts:\n" + "\n".join(found))
        self.stdout.write(self.style.SUCCESS(f"{project} is sound: {len(INVARIANTS)} invariants hold."))
