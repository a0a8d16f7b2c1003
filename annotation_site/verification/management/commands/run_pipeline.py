"""manage.py run_pipeline"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site import enqueue
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round
from annotation_site.catalog.stages import ORDER, StageError, State
from annotation_site.verification.carrying_on import carry_on


class Command(BaseCommand):
    """Parse; `verification.carrying_on` does it."""

    help = (
        "Train, detect, cluster, calibrate and open, as far as that is not done: here, or by workers. "
        "Stopped or killed, it goes on from there when it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument(
            "--until",
            choices=[stage.value for stage in ORDER],
            default=ORDER[-1].value,
            help="The last stage.",
        )
        elsewhere = parser.add_mutually_exclusive_group()
        elsewhere.add_argument("--workers", action="store_true", help="Leave it to the workers.")
        elsewhere.add_argument(
            "--stop", action="store_true", help="Let the workers leave it, piece finished."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = project_to_change(options["project"])
            until = StageRun.Stage(options["until"])
            if options["workers"]:
                enqueue.run_pipeline(project, until=until)
                self.stdout.write(
                    f"Left to the workers: `manage.py status {project.slug}` shows how far they are."
                )
            elif options["stop"]:
                enqueue.stop_pipeline(project)
                self.stdout.write("Workers leave it after the piece they are at.")
            else:
                self._here(project, until)
        except (StageError, UnknownProject) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _here(self, project: Project, until: StageRun.Stage) -> None:
        round_ = current_round(project)
        run = carry_on(
            round_,
            until=until,
            watch=lambda stage: terminal_progress(f"{stage} {project.slug}"),
        )
        for noted in round_.stages.exclude(detail__warning="").filter(detail__has_key="warning"):
            self.stderr.write(self.style.WARNING(f"{noted.stage}: {noted.detail['warning']}"))
        if run is None:
            self.stdout.write(f"{project.slug} is past {until} already.")
        elif run.state == State.DONE:
            self.stdout.write(self.style.SUCCESS(f"{run.stage} of {project.slug} is done. {run.message}"))
        else:
            raise CommandError(f"{run.message} Run it again: it goes on from here.", returncode=130)
