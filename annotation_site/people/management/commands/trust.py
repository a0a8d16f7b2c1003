"""manage.py trust"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.management.field_options import add_options, given
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.people.policies import PolicyRefused, policy_fields, set_policy


class Command(BaseCommand):
    """Parse; `people.policies` sets."""

    help = "Show by what a project's workers are judged; set what is given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        add_options(parser, policy_fields())

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            values = given(options, policy_fields())
            project = (project_to_change if values else find_project)(options["project"])
            policy = set_policy(project=project, **values)
        except (UnknownProject, PolicyRefused) as refusal:
            raise CommandError(str(refusal)) from refusal
        for field in policy_fields():
            self.stdout.write(f"{field.name:<22} {getattr(policy, field.name)}")
