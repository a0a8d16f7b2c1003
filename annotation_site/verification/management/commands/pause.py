"""manage.py pause"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.rounds import UnknownProject
from annotation_site.verification.opening import NotOpen, pause_campaign


class Command(BaseCommand):
    """Parse; `verification.opening` does it."""

    help = "Open no new HITs on a project; those that people hold can be finished. `open` ends the pause."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = project_to_change(options["project"])
            pause_campaign(project=project)
        except (UnknownProject, NotOpen) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(self.style.SUCCESS(f"{project} is paused."))
