"""manage.py import_images"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.import_report import ImportRefused, ImportReport
from annotation_site.catalog.importing import AnnotationsNeeded, ImportBusy, NothingToImport, import_images
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Role
from annotation_site.catalog.originals import MAX_PIXELS
from annotation_site.catalog.problem_log import problem_log
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.roles import InvalidShares, RoleShares
from annotation_site.catalog.rounds import UnknownProject
from pipeline.coco import CocoError
from pipeline.progress import StopRequested

REFUSALS = (
    UnknownProject, InvalidShares, AnnotationsNeeded, NothingToImport, ImportBusy, ImportRefused, CocoError,
    OSError,
)  # fmt: skip


class Command(BaseCommand):
    """Parse, import, report."""

    help = (
        "Import a folder of JPEG, PNG, WebP and TIFF images into a project: all of them, or with a COCO file "
        "those that it lists. What cannot be imported is reported by name and the rest imported. Run again: "
        "only what is not there yet is imported."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("project", help="Slug of the project.")
        add("folder", type=Path, help="Folder of the images, searched with its subfolders.")
        add("--annotations", type=Path, metavar="FILE", help="COCO instances file of the images.")
        role = parser.add_mutually_exclusive_group(required=True)
        role.add_argument("--role", choices=Role.values, help="What the images are for.")
        role.add_argument("--split", metavar="SHARES", help="Divide them by content: heldout=0.5,pool=0.5.")
        add("--seed", type=int, default=0, help="Of --split; another seed, another division.")
        add("--strict", action="store_true", help="Import nothing if there is any problem.")
        add("--in-place", action="store_true", help="Leave the files where they are.")
        add("--max-pixels", type=int, default=MAX_PIXELS, help="Larger images are left out.")
        add("--problems", type=Path, metavar="FILE", help="Write every problem here, as JSON lines.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            report = self._import(**options)
        except REFUSALS as error:
            raise CommandError(str(error)) from error
        except StopRequested as stop:
            raise CommandError(f"{stop} What was imported stays; run it again to go on.") from stop
        self._say(report)

    def _import(self, **options: Any) -> ImportReport:
        role, split = options["role"], options["split"]
        with problem_log(options["problems"]) as listener, terminal_progress("Import") as progress:
            return import_images(
                project=project_to_change(options["project"]),
                folder=options["folder"],
                roles=RoleShares.all(Role(role)) if role else RoleShares.parse(split, seed=options["seed"]),
                annotations=options["annotations"],
                strict=options["strict"],
                in_place=options["in_place"],
                max_pixels=options["max_pixels"],
                progress=progress,
                listener=listener,
            )

    def _say(self, report: ImportReport) -> None:
        taken = (
            ", ".join(f"{count:,} {what}" for what, count in report.taken.items() if count) or "nothing new"
        )
        self.stdout.write(self.style.SUCCESS(f"Imported: {taken}."))
        if report.problems:
            self.stdout.write(self.style.WARNING("Left out:"))
            self.stdout.write("\n".join(report.lines()))
