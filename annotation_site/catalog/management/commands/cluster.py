"""manage.py cluster"""

from __future__ import annotations

from typing import Any

from annotation_site.catalog.clustering import cluster
from annotation_site.catalog.management.stage_command import StageCommand
from annotation_site.catalog.models import Round
from annotation_site.catalog.stages import Stage, Work


class Command(StageCommand):
    """Parse; `catalog.clustering` does it."""

    stage = Stage.CLUSTER
    help = (
        "Cluster the predicted masks of each category into a tree, by the project's linkage and feature. "
        "Trees that are finished are kept when it is stopped or killed."
    )

    def work(self, round_: Round, options: dict[str, Any]) -> Work:
        del options
        return lambda report: cluster(round_, report)
