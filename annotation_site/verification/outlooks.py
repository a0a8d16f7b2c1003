"""What every K_pa would bring a project's round: from its trees, calibration and rules, never its masks.

A tree of a million leaves takes a fraction of a second, and a project may have ten of them: looking goes on
tree by tree, so that a page can ask for as much as fits into a moment. What was found is kept for as long as
the round's trees and calibration and the project's parameters are the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.cache import cache

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project, Role, Round, Tree
from annotation_site.verification.forecasting import SECONDS, gold_share_of, price_of, votes_of
from annotation_site.verification.ground import thresholds_of
from pipeline.calibration import Calibration
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


def look_on(project: Project, round_: Round, *, seconds: float) -> Looking:
    """Go on for about so long; a tree is looked at in one go. Safe to ask by several at once.

    Raises
    ------
    NothingToLookAt
    """
    trees = Tree.objects.filter(round=round_, role=Role.POOL).order_by("-n", "pk")
    keys: Sequence[int] = list(trees.values_list("pk", flat=True))
    if not keys or not round_.calibration:
        raise NothingToLookAt(f"{round_} has no trees or no calibration yet.")
    key = f"maskgrove:outlook:{_digest(project, round_, keys)}"
    looking: Looking = cache.get(key) or Looking(0, len(keys), Outlook.nothing())
    began = time.monotonic()
    while not looking.is_through:
        found = _of_tree(project, round_, keys[looking.done])
        looking = Looking(looking.done + 1, looking.of, looking.found + found)
        if looking.is_through or time.monotonic() - began > seconds:
            cache.set(key, looking, HELD_SECONDS)
            break
    return looking


def _of_tree(project: Project, round_: Round, pk: int) -> Outlook:
    packed = bytes(Tree.objects.values_list("packed", flat=True).get(pk=pk))
    return outlook(
        Dendrogram.from_bytes(packed),
        Calibration.from_json(round_.calibration or {}),
        thresholds_of(project, round_),
        rule=project.rule,
        accuracy=votes_of(project)[1],
        rng=np.random.default_rng([project.seed % 2**63, pk]),
    )


def _digest(project: Project, round_: Round, keys: Sequence[int]) -> str:
    """Of all that an outlook rests on. K_pa itself is none of it."""
    parameters = [project.k_iou, project.k_a, project.n_s, project.min_size, project.rule]
    rests_on = [*parameters, *votes_of(project), project.worker_accuracy, round_.pk, keys, round_.calibration]
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()


def told(project: Project, found: Outlook) -> Mapping[str, list[Any]]:
    """An outlook in the terms of a project, with votes, gold and pay: a list for each column of its table."""
    votes, budget = votes_of(project)[0], budget_of(project)
    share = 1 - gold_share_of(project)
    questions = [math.ceil(asked * votes / share) for asked in found.questions.tolist()]
    prices = [price_of(n, terms=budget.terms, hit_size=project.hit_size) for n in questions]
    return {
        "k_pa": GRID.tolist(),
        "questions": questions,
        "accepted": [round(masks) for masks in found.accepted.tolist()],
        "precision": [None if math.isnan(p) else round(p, 4) for p in found.precision.tolist()],
        "clusters": [round(n) for n in found.clusters.tolist()],
        "hours": [round(n * SECONDS / 3600, 3) for n in questions],
        "money": [float(price) for price in prices],
    }
