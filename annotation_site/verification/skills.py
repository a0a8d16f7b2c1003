"""How often each worker is right, estimated from all answers of a project, and answers weighed by it anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import F
from numpy.typing import NDArray

from annotation_site.catalog.models import Project, Round, Tree
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Judgment, Says, Skill
from annotation_site.verification.withdrawing import reconsider
from pipeline.skills import Estimate, estimate

BY_SKILL = "accuracy_weighted"
"""The rule of aggregation that looks at skills."""
MOVED = 0.02
"""An estimate that moved by less is left as it is: decisions do not come and go with every answer."""
BECAUSE = "its workers' accuracy was estimated anew"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What an estimation changed.

    Attributes
    ----------
    workers : whose skills moved, in any tree
    withdrawn : decisions that do not hold on answers weighed by the new skills
    """

    workers: int
    withdrawn: int


def learn_skills(*, project: Project, at: datetime) -> Learnt:
    """Estimate the skills of a project's workers and weigh the answers of its latest round by them.

    Tree by tree, each in one transaction that holds it alone; safe to repeat. Projects with another rule of
    aggregation are left alone.
    """
    round_ = Round.objects.filter(project=project, rules__aggregation=BY_SKILL).order_by("-number").first()
    if round_ is None:
        return Learnt(0, 0)
    workers, found = _estimated(project)
    moved: set[int] = set()
    withdrawn = 0
    trees = Tree.objects.filter(round=round_, clusters__isnull=False)
    for tree_id in trees.values_list("pk", flat=True).distinct():
        changed, fallen = _weigh_anew(tree_id, workers, found, at)
        moved |= changed
        withdrawn += fallen
    return Learnt(len(moved), withdrawn)


def _estimated(project: Project) -> tuple[NDArray[np.int64], Estimate]:
    """The workers of a project by primary key, and what all its answers say of them."""
    answers = Judgment.objects.counting().filter(question__project=project).exclude(says=Says.UNSURE)
    usable = answers.exclude(question__gold__retired_at__isnull=False)
    columns = usable.annotate(
        cluster=F("question__cluster"), gold=F("question__gold__is_correct")
    ).values_list("question", "worker", "says", "cluster", "gold")
    rows = np.array(
        [
            (question, worker, says == Says.YES, cluster or 0, -1 if gold is None else int(gold))
            for question, worker, says, cluster, gold in columns.iterator(chunk_size=10_000)
        ],
        dtype=np.int64,
    ).reshape(-1, 5)
    _, first, masks = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    workers, by = np.unique(rows[:, 1], return_inverse=True)
    _, groups = np.unique(rows[first, 3], return_inverse=True)
    found = estimate(masks, by, rows[:, 2] == 1, known=rows[first, 4].astype(np.int8), groups=groups)
    return workers, found


@transaction.atomic
def _weigh_anew(
    tree_id: int, workers: NDArray[np.int64], found: Estimate, at: datetime
) -> tuple[set[int], int]:
    """Read a tree's answers by new skills: the workers whose skill moved, and decisions that fell."""
    hold_trees([tree_id], alone=True)
    given = Judgment.objects.counting().filter(question__tree=tree_id).order_by()
    here = set(given.values_list("worker", flat=True).distinct())
    stored = {skill.worker_id: skill for skill in Skill.objects.filter(tree=tree_id)}
    moved = []
    for index, worker in enumerate(workers.tolist()):
        skill = found.skill(index)
        new = Skill(
            tree_id=tree_id, worker_id=worker, sensitivity=skill.sensitivity, specificity=skill.specificity
        )
        if worker in here and _has_moved(stored.get(worker), new):
            moved.append(new)
    Skill.objects.bulk_create(
        moved,
        update_conflicts=True,
        unique_fields=["tree", "worker"],
        update_fields=["sensitivity", "specificity"],
    )
    theirs = given.filter(worker__in=[skill.worker_id for skill in moved])
    found_at = theirs.values_list("question__position", flat=True).distinct()
    positions = [position for position in found_at if position is not None]
    withdrawn = reconsider(tree_id, positions, because=BECAUSE, at=at) if positions else 0
    return {skill.worker_id for skill in moved}, withdrawn


def _has_moved(before: Skill | None, now: Skill) -> bool:
    if before is None:
        return True
    by = abs(before.sensitivity - now.sensitivity), abs(before.specificity - now.specificity)
    return max(by) > MOVED
