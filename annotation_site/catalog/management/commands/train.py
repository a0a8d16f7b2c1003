"""manage.py train"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from annotation_site.catalog.management.stage_command import HARDWARE, StageCommand, add_hardware, chosen
from annotation_site.catalog.models import Round
from annotation_site.catalog.stages import Stage, Work
from annotation_site.catalog.training import train
from pipeline.detection import DETECTORS


class Command(StageCommand):
    """Parse the detector's options; `catalog.training` does it."""

    stage = Stage.TRAIN
    help = (
        "Train the project's detector on its initial images and check it on the held-out ones. Stopped or "
        "killed, it goes on from its last checkpoint when it is run again with the same options."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        detector = parser.add_argument_group("detector, instead of what the project has")
        detector.add_argument("--detector", choices=sorted(DETECTORS))
        detector.add_argument("--iterations", type=int, metavar="N")
        detector.add_argument("--learning-rate", type=float, metavar="RATE")
        detector.add_argument("--short-side", type=int, metavar="PIXELS", help="What images are resized to.")
        detector.add_argument("--weights", help="What to start from: auto, or what the detector knows.")
        detector.add_argument("--start-from", type=Path, metavar="MODEL", help="A model file to go on from.")
        detector.add_argument("--checkpoint-every", type=int, metavar="ITERATIONS")
        add_hardware(parser)

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        own = (
            "detector", "iterations", "learning_rate", "short_side", "weights", "start_from",
            "checkpoint_every"
        )  # fmt: skip
        given = chosen(options, *own, *HARDWARE)
        return lambda report: train(round_, report, **given)
