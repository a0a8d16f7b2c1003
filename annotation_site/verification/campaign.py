"""The last stage of a round: gold, then the questions."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from annotation_site.catalog.models import Round
from annotation_site.catalog.reporting import Reporter
from annotation_site.people.gold import make_gold
from annotation_site.verification.deciding import Outcome
from annotation_site.verification.models import Cluster
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
    report.note(gold=gold, clusters=opened.opened, questions=opened.asked, warning=_warning(round_))
    return opened


def _warning(round_: Round) -> str:
    """Why nobody will be asked anything, where that is so."""
    if Cluster.objects.filter(tree__round=round_).exists():
        return ""
    return (
        f"No cluster is large enough and has a mean score above K_pa ({round_.k_pa or 0:.2f}): nobody is "
        "asked anything. Train for longer or on more images, or set the project's k_pa or min_size lower."
    )
