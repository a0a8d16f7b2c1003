"""What the commands of the stages have in common."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round
from annotation_site.catalog.stages import ORDER, StageError, State, Work, run_stage
from annotation_site.catalog.waiting_offers import check_nothing_offered

STOPPED_BY_CTRL_C = 130


class StageCommand(BaseCommand):
    """Carries out one stage of a project's current round in this terminal."""

    stage: ClassVar[StageRun.Stage]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Discard what this stage and the later ones left, and start afresh.",
        )

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        """What the stage does."""
        raise NotImplementedError

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            round_ = current_round(project_to_change(options["project"]))
            work = self.work(round_, options)
            with terminal_progress(f"{self.stage} {round_.project.slug}") as progress:
                afresh = partial(self._afresh, round_, force=options["force"])
                run = run_stage(round_, self.stage, work, force=afresh, also=progress)
        except (StageError, UnknownProject) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.say(run)

    def _afresh(self, round_: Round, *, force: bool) -> bool:
        """As pages and workers do, leave what rests on predictions alone while others wait to be taken in."""
        is_open = round_.stages.filter(stage=StageRun.Stage.OPEN, state=State.DONE).exists()
        if not is_open and ORDER.index(self.stage) >= ORDER.index(StageRun.Stage.DETECT):
            check_nothing_offered(round_)
        return force

    def say(self, run: StageRun) -> None:
        """Tell how it ended."""
        slug = run.round.project.slug
        if run.state != State.DONE:
            raise CommandError(
                f"{run.message} Run `manage.py {run.stage} {slug}` again: it goes on from here.",
                returncode=STOPPED_BY_CTRL_C,
            )
        self.stdout.write(
            self.style.SUCCESS(f"{run.stage} of {slug} is done. {run.message}".rstrip(". ") + ".")
        )
        if run.detail.get("warning"):
            self.stderr.write(self.style.WARNING(run.detail["warning"]))


def add_hardware(parser: CommandParser) -> None:
    """Where the numbers are crunched; what is left open is chosen by itself."""
    group = parser.add_argument_group("hardware")
    group.add_argument("--device", help='"cpu", "cuda", "cuda:1", …; by itself: a GPU if there is one.')
    group.add_argument("--batch-size", type=int, metavar="N", help="Images that pass the network together.")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads of the network.")
    group.add_argument("--loaders", type=int, metavar="N", help="Threads that decode images ahead of it.")
    precision = group.add_mutually_exclusive_group()
    precision.add_argument("--mixed-precision", action="store_true", default=None)
    precision.add_argument("--full-precision", action="store_false", dest="mixed_precision")


def chosen(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of the named options that were given."""
    return {name: options[name] for name in names if options[name] is not None}


HARDWARE = ("device", "batch_size", "threads", "loaders", "mixed_precision")
