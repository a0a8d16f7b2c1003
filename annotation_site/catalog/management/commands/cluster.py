"""manage.py cluster"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation_site.catalog.clustering import cluster, work_through_trees
from annotation_site.catalog.gathering import FeaturesMissing
from annotation_site.catalog.helping import NothingToHelp, taking_part
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.management.stage_command import StageCommand
from annotation_site.catalog.models import Round
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round
from annotation_site.catalog.stages import Stage, Work
from pipeline.progress import StopRequested


class Command(StageCommand):
    """Parse; `catalog.clustering` does it."""

    stage = Stage.CLUSTER
    help = (
        "Cluster the predicted masks of each category into a tree, by the project's linkage and feature. "
        "Trees that are finished are kept when it is stopped or killed, of large ones also their blocks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--join", action="store_true", help="Help a clustering that runs elsewhere, with this process."
        )

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        del options
        return lambda report: cluster(round_, report)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if not options["join"]:
            return super().handle(**options)
        try:
            round_ = current_round(project_to_change(options["project"]))
            with (
                terminal_progress(f"cluster {round_.project.slug}") as progress,
                taking_part(round_, self.stage, also=progress) as report,
            ):
                finished = work_through_trees(round_, report)
        except (UnknownProject, FeaturesMissing, NothingToHelp) as refusal:
            raise CommandError(str(refusal)) from refusal
        except StopRequested as stop:
            raise CommandError(f"{stop} The others go on.", returncode=130) from stop
        self.stdout.write(f"Finished {finished} trees and blocks; none is left that nobody works on.")
        return None
