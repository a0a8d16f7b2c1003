"""The report as it was last measured, for as long as no fact that it rests on has changed.

Measuring compares every accepted mask with the ground truth: seconds to minutes for a large project. Seeing
whether that is still true takes a few aggregates, which the database answers without reading a mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, DecimalField, Func, Max, Sum

from annotation_site.catalog.models import Annotation, Category, Image, Project, StageRun, Tree
from annotation_site.results.outcomes import one_moment
from annotation_site.results.reporting import report
from annotation_site.verification.models import (
    Cluster,
    Decision,
    Judgment,
    Overruling,
    SearchRules,
    Skill,
)

HELD_SECONDS = 7 * 24 * 60 * 60
RECENT_SECONDS = 10


class HashOfRow(Func):
    """64 bits that tell rows of these columns apart."""

    template = "hashtextextended(ROW(%(expressions)s)::text, 0)::numeric"
    output_field = DecimalField()


@dataclass(frozen=True, slots=True)
class Measured:
    """A report in plain values, as `Report.to_json` gives it, and when its facts were read."""

    figures: Mapping[str, Any]
    at: datetime


def measured(project: Project, *, at: datetime) -> Measured:
    """The report on the project's facts as they stand; measured now, at `at`, if they have changed.

    Facts and report are read in one moment, so that an answer that comes meanwhile belongs to the next one.
    """
    with one_moment():
        key = _key(project)
        found: Measured | None = cache.get(key)
        if found is None:
            found = Measured(report(project).to_json(), at)
            cache.set(key, found, HELD_SECONDS)
    return found


def facts(project: Project) -> list[Any]:
    """Values that differ whenever something that the report rests on does.

    Facts are added, and withdrawn or retracted once: their number, the newest, and the same of those that no
    longer stand tell of all that. Imports, new trees and settings of the project follow in the same manner.
    Which masks replace which comes and goes with the trees. Skills are estimated anew in place: all are read.
    Judgments are those of the project's workers, elsewhere too: that is told without reading their questions.
    """
    trees = Tree.objects.filter(round__project=project)
    return [
        project.slug,
        project.k_iou,
        _told(Decision.objects.filter(tree__round__project=project), "withdrawn_at"),
        list(_standing_overrulings(project)),
        _told(Judgment.objects.filter(worker__in=project.members.values("worker")), "retracted_at"),
        trees.aggregate(Count("id"), Max("id"), Sum("n")),
        _rounds(project),
        list(SearchRules.objects.filter(round__project=project).order_by("pk").values_list()),
        Cluster.objects.filter(tree__in=trees).aggregate(Count("id"), Max("id")),
        _skills(project),
        Image.objects.filter(project=project, coco_id__isnull=False).count(),
        Annotation.objects.filter(image__project=project).aggregate(Count("id"), Max("id"), Sum("area")),
        list(Category.objects.filter(project=project).order_by("pk").values_list("pk", "name")),
    ]


def _standing_overrulings(project: Project) -> Iterable[int]:
    standing = Overruling.objects.standing().verdicts().filter(tree__round__project=project)
    return standing.order_by("pk").values_list("pk", flat=True)


def _rounds(project: Project) -> list[Any]:
    """Rounds, and what their models were found to be worth."""
    trained = StageRun.objects.filter(round__project=project, stage=StageRun.Stage.TRAIN)
    return [
        list(project.rounds.order_by("pk").values_list("pk", flat=True)),
        list(trained.order_by("pk").values_list("pk", "detail__validation")),
    ]


def _skills(project: Project) -> dict[str, Any]:
    """How many, and a sum of their rows' hashes: exact in any order of adding, other when a value is."""
    figures: dict[str, Any] = Skill.objects.filter(tree__round__project=project).aggregate(
        n=Count("id"), sum=Sum(HashOfRow("tree", "worker", "sensitivity", "specificity"))
    )
    return figures


def _told(found: Any, ended: str) -> dict[str, Any]:
    """Of facts that may end: how many, the newest, how many ended, the latest end."""
    figures: dict[str, Any] = found.aggregate(
        n=Count("id"), newest=Max("id"), ended=Count(ended), latest=Max(ended)
    )
    return figures


def known(project: Project) -> Measured | None:
    """The report on the facts as they stand, if it has been measured since they changed."""
    found: Measured | None = cache.get(_key(project))
    return found


def version_of(project: Project) -> str:
    """A name for the facts as they stand: another one once any of them differs."""
    return hashlib.sha256(repr(facts(project)).encode()).hexdigest()[:32]


def recent_version(project: Project) -> str:
    """The same as it was within the last seconds, for whoever asks again and again."""
    key = f"maskgrove:version:{project.pk}"
    found: str | None = cache.get(key)
    if found is None:
        found = version_of(project)
        cache.set(key, found, RECENT_SECONDS)
    return found


def _key(project: Project) -> str:
    return f"maskgrove:report:{project.pk}:{version_of(project)}"
