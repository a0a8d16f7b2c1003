"""The last stage of a round: gold, then the questions."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from annotation_site.catalog.models import Round
from annotation_site.catalog.reporting import Reporter
from annotation_site.people.gold import make_gold
from annotation_site.verification.deciding import Outcome
from annotation_site.verification.opening import open_campaign


def open_round(round_: Round, report: Reporter, *, rng: np.random.Generator, at: datetime) -> Outcome:
    """Make gold of the held-out images, and open the campaign: the work of the stage "open".

    Raises
    ------
    NothingToOpen, ValueError
        As `open_campaign`.
    """
    gold = make_gold(project=round_.project, rng=rng)
    opened = open_campaign(project=round_.project, at=at, progress=report)
    report.note(gold=gold, clusters=opened.opened, questions=opened.asked)
    return opened
