"""The last stage of a round: gold, then the questions."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import numpy as np

from annotation_site.catalog.models import Round
from annotation_site.catalog.reporting import Reporter
from annotation_site.people.gold import make_gold
from annotation_site.people.qualification.lessons import make_lessons
from annotation_site.people.qualification.policy import readiness
from annotation_site.verification.deciding import Outcome
from annotation_site.verification.models import Cluster
from annotation_site.verification.opening import open_campaign


def open_round(round_: Round, report: Reporter, *, rng: np.random.Generator, at: datetime) -> Outcome:
    """Make lessons and gold of the held-out images, and open the campaign: the work of the stage "open".

    Raises
    ------
    NothingToOpen, ValueError
        As `open_campaign`.
    """
    lessons = make_lessons(project=round_.project, rng=rng)
    gold = make_gold(project=round_.project, rng=rng)
    opened = open_campaign(project=round_.project, at=at, progress=report)
    report(1, 1, f"{opened.opened:,} clusters opened, {opened.asked:,} questions asked first")
    report.note(
        lessons=asdict(lessons),
        gold=gold,
        clusters=opened.opened,
        questions=opened.asked,
        warning=" ".join(filter(None, (_nothing_to_ask(round_), _no_test(round_)))),
    )
    return opened


def _no_test(round_: Round) -> str:
    """Why newcomers take no test, where one is wanted."""
    test = readiness(round_.project)
    if not test.lacks_masks:
        return ""
    return (
        f"Newcomers are let in without a test: {test.questions} questions need {test.needed} right and "
        f"{test.needed} wrong masks, and the held-out images give {test.right} and {test.wrong}. Annotate "
        "more of them, or ask fewer questions."
    )


def _nothing_to_ask(round_: Round) -> str:
    """Why nobody will be asked anything, where that is so."""
    if Cluster.objects.filter(tree__round=round_).exists():
        return ""
    return (
        f"No cluster is large enough and has a mean score above K_pa ({round_.k_pa or 0:.2f}): nobody is "
        "asked anything. Train for longer or on more images, or set the project's k_pa or min_size lower."
    )
