"""manage.py open"""

from __future__ import annotations

from typing import Any

import numpy as np
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from annotation_site.catalog.management.stage_command import StageCommand
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.stages import Stage, Work
from annotation_site.verification.campaign import open_round
from annotation_site.verification.opening import NothingToOpen, NotOpen, open_long_tail, resume_campaign


class Command(StageCommand):
    """Parse; `verification.campaign` does it."""

    stage = Stage.OPEN
    help = (
        "Ask people about the candidate clusters of every tree, with gold made of held-out images among the "
        "questions. What is open already stays as it is. Also ends a pause."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--long-tail",
            action="store_true",
            help="Also ask about categories that have no cluster, mask by mask, the most likely right first.",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        super().handle(**options)
        if options["long_tail"]:
            self._open_long_tail(Project.objects.get(slug=options["project"]))

    def _open_long_tail(self, project: Project) -> None:
        try:
            opened = open_long_tail(project=project, at=timezone.now())
        except (NotOpen, NothingToOpen) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{opened.asked:,} masks of the long tail are asked about one by one.")

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        del options

        def work(report: Reporter) -> None:
            rng = np.random.default_rng(round_.project.seed % 2**63)
            open_round(round_, report, rng=rng, at=timezone.now())

        return work

    def say(self, run: StageRun) -> None:
        """The stage is done once; a campaign that was paused since goes on."""
        project = Project.objects.get(pk=run.round.project_id)
        if project.state == Project.State.PAUSED:
            resume_campaign(project=project)
        super().say(run)
