"""manage.py calibrate"""

from __future__ import annotations

from typing import Any

from annotation_site.catalog.calibrating import calibrate_round
from annotation_site.catalog.management.stage_command import StageCommand
from annotation_site.catalog.models import Round
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.stages import Stage, Work


class Command(StageCommand):
    """Parse; `catalog.calibrating` does it."""

    stage = Stage.CALIBRATE
    help = (
        "Learn K_pa, below which clusters are split without asking, from the trees of the held-out images. "
        "Where there is too little to learn from it is the paper's 0.7, and a warning says so."
    )

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        del options

        def calibrate(report: Reporter) -> None:
            calibrate_round(round_, report)

        return calibrate
