"""manage.py create_project"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from annotation_site.catalog import projects
from annotation_site.catalog.management.field_options import converter
from annotation_site.catalog.projects import CHOICES, ProjectRefused, create_project, parameter_fields
from pipeline.coco import CocoError


class Command(BaseCommand):
    """Parse, create, say so."""

    help = (
        "Create a project. Parameters default to the paper's, but for strategy and rule. Run again with the "
        "same arguments: no change."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the project; its slug is made of it.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--categories", help="Names, separated by commas; ids are 1, 2, … in this order.")
        source.add_argument(
            "--from-coco", type=Path, metavar="FILE", help="Take the categories of a COCO file."
        )
        parameters = parser.add_argument_group("parameters")
        for field in parameter_fields():
            self._add_parameter(parameters, field)

    def _add_parameter(self, group: Any, field: models.Field[Any, Any]) -> None:
        default, choices = field.get_default(), CHOICES.get(field.name)
        told = "" if default in (None, "", {}) else f" (default: {default})"
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=converter(field),
            metavar=f"{{{','.join(sorted(choices))}}}" if choices else field.name.upper(),
            help=f"{field.help_text}{told}".strip().replace("%", "%%"),
        )

    def handle(self, *_: Any, **options: Any) -> None:
        given = {field.name: options[field.name] for field in parameter_fields()}
        try:
            file: Path | None = options["from_coco"]
            names = (options["categories"] or "").split(",")
            created = create_project(
                name=options["name"],
                categories=projects.categories_of(file) if file else projects.numbered(names),
                parameters={name: value for name, value in given.items() if value is not None},
            )
        except (ProjectRefused, CocoError, OSError) as error:
            raise CommandError(str(error)) from error
        self._say(created)

    def _say(self, created: projects.Created) -> None:
        project = created.project
        if not created.new:
            self.stdout.write(f"{project.slug} is there already, just like this.")
            return
        count = project.categories.count()
        self.stdout.write(self.style.SUCCESS(f"Created {project.slug} with {count} categories."))
        self.stdout.write(f"Next: manage.py import_images {project.slug} DIR --role initial|heldout|pool")
