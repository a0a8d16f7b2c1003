"""What every K_pa would bring a project's round: from its trees, calibration and rules, never its masks.

A tree of a million leaves takes a fraction of a second, and a project may have ten of them: looking goes on
tree by tree, so that a page can ask for as much as fits into a moment. What was found is kept for as long as
what a plan of the round would rest on is the same, K_pa aside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.core.cache import cache

from annotation_site.catalog.models import Round, Tree
from annotation_site.verification.forecasting import Basis, basis_of
from annotation_site.verification.workloads import Workload
from pipeline.calibration import Calibration
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.outlook import GRID, Outlook, outlook

HELD_SECONDS = 24 * 60 * 60


class NothingToLookAt(Exception):
    """The round has no trees or no calibration yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Looking:
    """How far looking is: trees done of all, and what was found in those."""

    done: int
    of: int
    found: Outlook

    @property
    def is_through(self) -> bool:
        return self.done == self.of


def look_on(round_: Round, *, seconds: float) -> Looking:
    """Go on for about so long; a tree is looked at in one go. Safe to ask by several at once.

    Raises
    ------
    NothingToLookAt
    """
    basis = basis_of(round_)
    if not basis.is_complete:
        raise NothingToLookAt(f"{round_} has no trees or no calibration yet.")
    key = f"maskgrove:outlook:{_at_any_k_pa(basis).digest}"
    trees = sorted(basis.trees, key=lambda tree: (-tree[1], tree[0]))
    looking: Looking = cache.get(key) or Looking(0, len(trees), Outlook.nothing())
    began = time.monotonic()
    while not looking.is_through:
        found = _of_tree(basis, trees[looking.done][0])
        looking = Looking(looking.done + 1, looking.of, looking.found + found)
        if looking.is_through or time.monotonic() - began > seconds:
            cache.set(key, looking, HELD_SECONDS)
            break
    return looking


def _of_tree(basis: Basis, pk: int) -> Outlook:
    packed = bytes(Tree.objects.values_list("packed", flat=True).get(pk=pk))
    return outlook(
        Dendrogram.from_bytes(packed),
        Calibration.from_json(basis.calibration or {}),
        Thresholds(**basis.thresholds),
        rule=basis.rule,
        accuracy=basis.accuracy,
        rng=np.random.default_rng([basis.seed, pk]),
    )


def _at_any_k_pa(basis: Basis) -> Basis:
    return replace(basis, thresholds={**basis.thresholds, "k_pa": None})


def told(round_: Round, found: Outlook) -> Mapping[str, list[Any]]:
    """An outlook in the terms of its project, with votes, gold, pay and pace: a list for each column."""
    work = Workload.of(round_.project, votes=basis_of(round_).votes)
    questions = [work.answers(asked) for asked in found.questions.tolist()]
    return {
        "k_pa": GRID.tolist(),
        "questions": questions,
        "accepted": [round(masks) for masks in found.accepted.tolist()],
        "precision": [None if math.isnan(p) else round(p, 4) for p in found.precision.tolist()],
        "clusters": [round(n) for n in found.clusters.tolist()],
        "hours": [round(work.hours(n), 3) for n in questions],
        "money": [float(work.price(n)) for n in questions],
    }
