"""manage.py export_predictions"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.gathering import FeaturesMissing
from annotation_site.catalog.known_predictions import NothingKnown, save_known_predictions
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round, find_project
from pipeline.progress import StopRequested


class Command(BaseCommand):
    """Parse; `catalog.known_predictions` does it."""

    help = (
        "Write the predictions on the held-out images, with their feature vectors and their IoU with the "
        "annotations: what `python -m pipeline.experiments NAME --world FILE` takes as its world. The pool's "
        "annotations are never looked at."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument(
            "path", type=Path, metavar="FILE", help=".npz file to write; replaced once it is whole."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        path = options["path"]
        try:
            round_ = current_round(find_project(options["project"]))
            with terminal_progress("Export predictions") as progress:
                found = save_known_predictions(round_, path, progress=progress)
        except (UnknownProject, NothingKnown, FeaturesMissing, OSError) as error:
            raise CommandError(str(error)) from error
        except StopRequested as stop:
            raise CommandError(f"{stop} Nothing was written.") from stop
        told = f"{len(found):,} predictions and {found.drawn:,} objects in {len(found.all_images):,} images"
        self.stdout.write(self.style.SUCCESS(f"Wrote {told} to {path}."))
