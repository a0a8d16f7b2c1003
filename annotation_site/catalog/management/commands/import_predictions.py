"""manage.py import_predictions"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.foreign_features import (
    GivenFeatures,
    InvalidFeatures,
    computed_features,
)
from annotation_site.catalog.foreign_predictions import OtherPredictions, Outcome, import_predictions
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import StageRun
from annotation_site.catalog.problem_log import problem_log
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.reporting import StageError
from annotation_site.catalog.rounds import UnknownProject
from pipeline.coco import CocoError
from pipeline.detection.crop_features import CROP_FEATURES, CropFeaturesUnavailable

REFUSALS = (
    UnknownProject, InvalidFeatures, CropFeaturesUnavailable, OtherPredictions, StageError, CocoError,
    OSError,
)  # fmt: skip


class Command(BaseCommand):
    """Parse, import, report."""

    help = (
        "Import masks of any other model, in COCO results format, in place of training and detecting here. "
        "Image ids are those of the COCO files that the images were imported with; images may be given by "
        "file name too. Run again with the same file: nothing changes, or an interrupted import goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("project", help="Slug of the project.")
        add("results", type=Path, help="COCO results: {image_id, category_id, segmentation, score}, ….")
        features = parser.add_mutually_exclusive_group()
        features.add_argument(
            "--features", type=Path, metavar="FILE", help="A .npy of (entries, d) floats, row i for entry i."
        )
        features.add_argument(
            "--computed-by",
            choices=["auto", *CROP_FEATURES],
            default="auto",
            help="Compute them from the images instead (default: by the best that is installed).",
        )
        add("--images", type=Path, metavar="FILE", help="COCO file that names the results' image ids.")
        add("--force", action="store_true", help="Replace the round's predictions and what rests on them.")
        add("--problems", type=Path, metavar="FILE", help="Write every problem here, as JSON lines.")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            outcome = self._import(**options)
        except REFUSALS as error:
            raise CommandError(str(error)) from error
        self._say(outcome, options["project"])

    def _import(self, **options: Any) -> Outcome:
        given = options["features"]
        with problem_log(options["problems"]) as listener, terminal_progress("Predictions") as progress:
            return import_predictions(
                project=project_to_change(options["project"]),
                results=options["results"],
                features=GivenFeatures(given) if given else computed_features(options["computed_by"]),
                images=options["images"],
                force=options["force"],
                progress=progress,
                listener=listener,
            )

    def _say(self, outcome: Outcome, slug: str) -> None:
        taken = outcome.report.taken
        for what, count in taken.items():
            if count:
                self.stdout.write(f"{count:,} {what}")
        if outcome.report.problems:
            self.stdout.write(self.style.WARNING("Left out:"))
            self.stdout.write("\n".join(outcome.report.lines()))
        if outcome.run.state != StageRun.State.DONE:
            raise CommandError(f"{outcome.run.message} What was imported stays; run it again to go on.")
        self.stdout.write(self.style.SUCCESS(f"Imported {outcome.run.message}."))
        self.stdout.write(f"From {outcome.run.round.feature_source}.")
        self.stdout.write(f"Next: manage.py cluster {slug}")
