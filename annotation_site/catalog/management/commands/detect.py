"""manage.py detect"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation_site.catalog.detecting import NoModel, detect, work_through_shards
from annotation_site.catalog.detector_options import OptionsDiffer
from annotation_site.catalog.helping import NothingToHelp, taking_part
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.management.stage_command import HARDWARE, StageCommand, add_hardware, chosen
from annotation_site.catalog.models import Round
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round
from annotation_site.catalog.shards import SHARD_IMAGES
from annotation_site.catalog.stages import Stage, Work
from pipeline.detection import DetectionError, InvalidOption
from pipeline.predictions import FEATURE_KINDS
from pipeline.progress import StopRequested


class Command(StageCommand):
    """Parse the detector's options; `catalog.detecting` does it."""

    stage = Stage.DETECT
    help = (
        "Predict masks on the held-out and the pool images with the trained detector. Finished shards "
        "are kept when it is stopped or killed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--join", action="store_true", help="Help a detection that runs elsewhere, with this process."
        )
        parser.add_argument("--shard-images", type=int, default=SHARD_IMAGES, metavar="N", help="Per shard.")
        parser.add_argument("--max-masks", type=int, metavar="N", help="The most predictions of an image.")
        parser.add_argument(
            "--features", nargs="+", choices=FEATURE_KINDS, help="The kinds of feature vectors to keep."
        )
        add_hardware(parser)

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        given = chosen(options, "max_masks", "features", *HARDWARE)
        return lambda report: detect(round_, report, shard_images=options["shard_images"], **given)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if not options["join"]:
            return super().handle(**options)
        given = chosen(options, "max_masks", "features", *HARDWARE)
        try:
            round_ = current_round(project_to_change(options["project"]))
            with (
                terminal_progress(f"detect {round_.project.slug}") as progress,
                taking_part(round_, self.stage, also=progress) as report,
            ):
                finished = work_through_shards(round_, report, **given)
        except (
            UnknownProject,
            NoModel,
            NothingToHelp,
            DetectionError,
            InvalidOption,
            OptionsDiffer,
        ) as refusal:
            raise CommandError(str(refusal)) from refusal
        except StopRequested as stop:
            raise CommandError(f"{stop} The others go on.", returncode=130) from stop
        self.stdout.write(f"Finished {finished} shards; none is left that nobody works on.")
        return None
