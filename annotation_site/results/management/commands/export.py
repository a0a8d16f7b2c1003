"""manage.py export"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.results.exporting import INCLUDE, SEGMENTATIONS, export_coco
from pipeline.progress import StopRequested


class Command(BaseCommand):
    """Parse, export, say so."""

    help = (
        "Write the verified masks as COCO instances, each with its round, cluster, score, decision and "
        "evidence. People may go on answering meanwhile; the file is as of the moment it was begun."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("project", help="Slug of the project.")
        add("path", type=Path, metavar="FILE", help="COCO file to write; replaced once it is whole.")
        add("--include", choices=INCLUDE, default="accepted", help="Which masks (default: accepted).")
        add("--segmentation", choices=SEGMENTATIONS, default="rle", help="Form of the masks (default: rle).")
        add("--round", type=int, help="Only masks of this round (default: all).")
        add("--every-image", action="store_true", help="List pool images without an exported mask too.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with terminal_progress("Export") as progress:
                exported = export_coco(
                    project=find_project(options["project"]),
                    path=Path(options["path"]),
                    at=timezone.now(),
                    include=options["include"],
                    segmentation=options["segmentation"],
                    round_number=options["round"],
                    every_image=options["every_image"],
                    progress=progress,
                )
        except (UnknownProject, OSError) as error:
            raise CommandError(str(error)) from error
        except StopRequested as stop:
            raise CommandError(f"{stop} Nothing was written.") from stop
        told = f"{exported.annotations:,} masks in {exported.images:,} images"
        self.stdout.write(self.style.SUCCESS(f"Wrote {told} to {options['path']}."))
