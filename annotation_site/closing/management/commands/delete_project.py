"""manage.py delete_project"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation_site.catalog.jobs import State
from annotation_site.catalog.models import Project
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.closing.deleting import (
    CannotDelete,
    NotConfirmed,
    ask_for_deletion,
    go_on,
    goods_of,
    run_deletion,
)
from annotation_site.closing.models import Deletion


class Command(BaseCommand):
    """Parse, ask for the name; `closing.deleting` does it."""

    help = (
        "Delete an archived project with all that Maskgrove made of it. There is no way back. Killed, it goes"
        " on when it is run again, or when a worker finds it; stopped by Ctrl-C, when it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--name", help="The project's name, to confirm; without it you are asked.")
        parser.add_argument(
            "--without-answers", action="store_true", help="Do not keep the log of what people answered."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = find_project(options["project"])
            deletion = self._deletion(project, options)
        except (UnknownProject, CannotDelete, NotConfirmed) as refusal:
            raise CommandError(str(refusal)) from refusal
        with terminal_progress(f"delete {project.slug}") as progress:
            run_deletion(deletion, also=progress)
        if deletion.state != State.DONE:
            raise CommandError(f"{_why_not(deletion)} Run it again to go on.")
        self.stdout.write(self.style.SUCCESS(f"{deletion.name} is deleted."))
        self.stdout.write(f"Its closing statement is on the page /deletions/{deletion.pk}/.")

    def _deletion(self, project: Project, options: dict[str, Any]) -> Deletion:
        if project.state == Project.State.DELETING:
            begun = Deletion.objects.get(project=project.pk)
            go_on(begun)
            return begun
        if options["name"] is None:
            self._tell(project)
        return ask_for_deletion(
            project=project,
            name=options["name"] if options["name"] is not None else input("Type its name to delete it: "),
            keep_answers=not options["without_answers"],
            by=None,
            at=timezone.now(),
        )

    def _tell(self, project: Project) -> None:
        goods = goods_of(project)
        self.stdout.write(
            f"With {project.name} go {goods.images:,} images that were copied here, {goods.masks:,} masks, "
            f"{goods.answers:,} answers, {goods.exports:,} exports, its models and uploads. "
            f"{goods.in_place:,} images stay where they are."
        )


def _why_not(deletion: Deletion) -> str:
    return deletion.error or ("It was stopped." if deletion.state == State.STOPPED else "A worker is at it.")
