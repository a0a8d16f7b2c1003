"""manage.py usefulness"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.management.stage_command import HARDWARE, add_hardware, chosen
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round
from annotation_site.results.usefulness import Arm, NothingToCompare, compare_usefulness
from annotation_site.verification.next_round import NoNextRound, start_round
from pipeline.coco import replacing
from pipeline.detection import DetectionError, InvalidOption
from pipeline.progress import Progress, StopRequested

UNDER_WAY = "A worker compares on this project: wait until it is done, or stop it on the page Rounds."
COLUMNS = ("Trained on", "Images", "Masks", "Hours", "AP50", "AP75")


class Command(BaseCommand):
    """Parse; `results.usefulness` compares."""

    help = (
        "The paper's usefulness experiment: train on the initial set, on it with as many drawn masks as the "
        "hours of answering would have bought, and on it with the accepted masks; compare average precision "
        "on the held-out images. Begins the next round where there is none, whose known objects are the "
        "accepted masks. Stopped or killed, it goes on when it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--iterations", type=int, metavar="N", help="Of each training.")
        parser.add_argument(
            "--seeds",
            type=int,
            default=1,
            metavar="N",
            help="Trainings of each set; the table then has their mean and standard deviation.",
        )
        parser.add_argument(
            "--now", action="store_true", help="Begin that round though the current one has questions left."
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="Write the same as JSON.")
        add_hardware(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        if options["seeds"] < 1:
            raise CommandError(f"--seeds is {options['seeds']}: each set needs at least 1 training.")
        try:
            project = project_to_change(options["project"])
            round_ = current_round(project)
            if not round_.known.exists():
                round_ = start_round(project=project, now=options["now"])
            with Claims() as turns, ExitStack() as stack:
                if not turns.take(Kind.COMPARISON_TURN, project.pk):
                    raise CommandError(UNDER_WAY)

                def watch(name: str) -> Progress:
                    stack.close()
                    return stack.enter_context(terminal_progress(name))

                arms = compare_usefulness(
                    round_,
                    seeds=options["seeds"],
                    watch=watch,
                    **chosen(options, "iterations", *HARDWARE),
                )
            if options["json"]:
                with replacing(options["json"]) as file:
                    file.write(json.dumps([arm.to_json() for arm in arms], indent=2, allow_nan=False) + "\n")
        except (UnknownProject, NoNextRound, NothingToCompare, DetectionError, InvalidOption) as refusal:
            raise CommandError(str(refusal)) from refusal
        except StopRequested as stop:
            raise CommandError(f"{stop} Run it again: it goes on from here.", returncode=130) from stop
        self.stdout.write(self._drawn(arms))

    def _drawn(self, arms: list[Arm]) -> str:
        table = Table(*COLUMNS, box=None, header_style="bold", pad_edge=False)
        for name, group in groupby(arms, key=attrgetter("name")):
            repeats = list(group)
            arm = repeats[0]
            table.add_row(
                name,
                f"{arm.images:,}",
                f"{arm.masks:,}",
                f"{arm.hours:.2f}",
                _mean_and_spread(one.validation.ap50 for one in repeats),
                _mean_and_spread(one.validation.ap75 for one in repeats),
            )
        console = Console(width=100)
        with console.capture() as captured:
            console.print(table)
        return captured.get()


def _mean_and_spread(values: Iterable[float]) -> str:
    """The mean, with the standard deviation where there are several."""
    found = list(values)
    mean = f"{statistics.mean(found):.3f}"
    return f"{mean} ± {statistics.stdev(found):.3f}" if len(found) > 1 else mean
