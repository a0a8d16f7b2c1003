"""manage.py export"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation_site.catalog.gathering import FeaturesMissing
from annotation_site.catalog.known_predictions import NothingKnown
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.results.exporting import INCLUDE, SEGMENTATIONS
from annotation_site.results.formats import FORMATS, Format
from annotation_site.results.formats.choice import Choice
from annotation_site.results.formats.parquet import ParquetMissing
from pipeline.progress import StopRequested


class Command(BaseCommand):
    """Parse, export, say so."""

    help = (
        "Write the verified masks, with round, cluster, score, decision and evidence where the format has "
        "room for them. People may go on answering meanwhile; the file is as of the moment it was begun."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("project", help="Slug of the project.")
        add("path", type=Path, metavar="FILE", help="File to write; replaced once it is whole.")
        add("--format", choices=FORMATS, default="coco", help="Form of the file (default: coco).")
        add("--include", choices=INCLUDE, default="accepted", help="Which masks (default: accepted).")
        add("--segmentation", choices=SEGMENTATIONS, default="rle", help="Of coco: polygon is coco-polygons.")
        add("--round", type=int, help="Only masks of this round (default: all).")
        add("--every-image", action="store_true", help="List pool images without an exported mask too.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with terminal_progress("Export") as progress:
                project = find_project(options["project"])
                choice = Choice(options["include"], options["round"], options["every_image"])
                written = _format(options).write(
                    project, choice, Path(options["path"]), timezone.now(), progress
                )
        except (UnknownProject, ParquetMissing, NothingKnown, FeaturesMissing, OSError) as error:
            raise CommandError(str(error)) from error
        except StopRequested as stop:
            raise CommandError(f"{stop} Nothing was written.") from stop
        told = _format(options).entry
        self.stdout.write(self.style.SUCCESS(f"Wrote {written:,} {told} to {options['path']}."))


def _format(options: dict[str, Any]) -> Format:
    polygons = options["format"] == "coco" and options["segmentation"] == "polygon"
    return FORMATS["coco-polygons" if polygons else options["format"]]
