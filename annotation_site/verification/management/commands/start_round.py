"""manage.py start_round"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site import enqueue
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject
from annotation_site.catalog.stages import ORDER, StageError, State
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.next_round import NoNextRound, start_round


class Command(BaseCommand):
    """Parse; `verification.next_round` and `verification.carrying_on` do it."""

    help = (
        "Begin the next round: train on the initial images and on what was accepted, detect, cluster what is "
        "not known yet, calibrate and open. Stopped or killed, it goes on when it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("project", help="Slug of the project.")
        add("--workers", action="store_true", help="Leave the stages to the workers.")
        add(
            "--until",
            choices=[stage.value for stage in ORDER],
            default=ORDER[-1].value,
            help="The last stage.",
        )
        add("--now", action="store_true", help="Though the current round has questions left.")
        add(
            "--least-gain", type=float, metavar="SHARE",
            help="Refuse when the last round added less than this share; default: the project's.",
        )  # fmt: skip
        add("--same-iou", type=float, metavar="IOU", help="Above it two masks show the same object (0.5).")
        add(
            "--better-by", type=float, metavar="SCORE",
            help="A mask of a known object is asked about when its score is so much higher (0.1).",
        )  # fmt: skip

    def handle(self, *_arguments: Any, **options: Any) -> None:
        given = {name: options[name] for name in ("least_gain", "same_iou", "better_by", "now")}
        for name in ("same_iou", "better_by"):
            if given[name] is not None and not 0 <= given[name] <= 1:
                raise CommandError(f"--{name.replace('_', '-')} is between 0 and 1, not {given[name]}.")
        try:
            project = project_to_change(options["project"])
            round_ = start_round(project=project, **given)
            self._say_begun(round_)
            if options["workers"]:
                enqueue.run_pipeline(project, until=StageRun.Stage(options["until"]))
                self.stdout.write(
                    f"Left to the workers: `manage.py status {project.slug}` shows how far they are."
                )
            else:
                self._here(round_, StageRun.Stage(options["until"]))
        except (StageError, UnknownProject, NoNextRound) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _say_begun(self, round_: Round) -> None:
        known = round_.known.count()
        self.stdout.write(
            f"Round {round_.number} of {round_.project.slug} learns from {known:,} accepted masks, and asks "
            "about what is not among them."
        )

    def _here(self, round_: Round, until: StageRun.Stage) -> None:
        slug = round_.project.slug
        run = carry_on(round_, until=until, watch=lambda stage: terminal_progress(f"{stage} {slug}"))
        if run is None:
            self.stdout.write(f"Round {round_.number} of {slug} is past {until} already.")
        elif run.state == State.DONE:
            self.stdout.write(self.style.SUCCESS(f"{run.stage} of {slug} is done. {run.message}"))
        else:
            raise CommandError(f"{run.message} Run it again: it goes on from here.", returncode=130)
