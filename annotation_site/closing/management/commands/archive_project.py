"""manage.py archive_project"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.closing.archiving import archive, take_out


class Command(BaseCommand):
    """Parse; `closing.archiving` does it."""

    help = "Put a project away: it is only read from then on, and nobody works on it. Or take it out again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--take-out", action="store_true", help="Let it be changed again.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = find_project(options["project"])
            if options["take_out"]:
                take_out(project=project)
            else:
                archive(project=project, at=timezone.now())
        except (UnknownProject, ProjectArchived) as refusal:
            raise CommandError(str(refusal)) from refusal
        project.refresh_from_db()
        self.stdout.write(self.style.SUCCESS(f"{project} is {project.get_state_display().lower()}."))
