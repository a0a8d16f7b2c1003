"""What the project pages show, read from the facts.

The rows that come back are bounded whatever the project's size: by its categories, by a page or a limit. What
the database reads for them is not always: `project_cards` counts decisions and judgments, each of which it
looks at once. `sharing` keeps tabs that stay open from asking for that again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, Prefetch, QuerySet

from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.stage_rows import in_order
from annotation_site.dashboards.mosaics import Tile, answers_at, tiles
from annotation_site.dashboards.sharing import shared_as
from annotation_site.paging import page_before
from annotation_site.people.models import Membership, WorkRecord
from annotation_site.results.course import Became, Course
from annotation_site.verification.keeping import kept_records
from annotation_site.verification.long_tail import tail_categories
from annotation_site.verification.models import Decision
from annotation_site.verification.yields import Masks, masks_by_project, questions_by_project
from pipeline.sampling import leaf_keys, sample

STAGES = Prefetch("stages", StageRun.objects.defer("detail"))
"""What stages leave to look at may be large, as the course of a training."""

CARDS = 100
"""Projects on a page."""
MOST_SHOWN = 12
"""Masks of a decision in a list of decisions."""


def latest_round(project: Project) -> Round | None:
    return project.rounds.order_by("-number").first()


def standing(project: Project) -> QuerySet[Decision]:
    """The decisions in force."""
    return Decision.objects.in_force().filter(tree__round__project=project)


CATEGORY_ROWS = """
WITH own AS (
  SELECT t.id, t.category_id, t.n FROM catalog_tree t JOIN catalog_round rd ON rd.id = t.round_id
  WHERE rd.project_id = %(project)s AND t.role = 'pool'
), predicted AS (
  SELECT category_id, sum(n) AS masks FROM own GROUP BY 1
), opened AS (
  SELECT own.category_id, count(*) AS clusters FROM verification_cluster c JOIN own ON own.id = c.tree_id
  WHERE c.is_open GROUP BY 1
)
SELECT cat.id, cat.name, p.masks, coalesce(o.clusters, 0) AS open_clusters
FROM predicted p
JOIN catalog_category cat ON cat.id = p.category_id
LEFT JOIN opened o ON o.category_id = cat.id
ORDER BY p.masks DESC, cat.name
"""


BECAME = ("accepted", "rejected", "accepted_clusters", "course")
"""What a row of a category says of its masks, as `results.course.Became` has it."""


def categories(project: Project, course: Course) -> list[dict[str, Any]]:
    """Per category of the pool: masks, what became of them, open clusters, answers without gold.

    `is_tail` tells categories that have masks but no cluster; see `verification.long_tail`.
    """
    with connection.cursor() as cursor:
        cursor.execute(CATEGORY_ROWS, {"project": project.pk})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    tail = tail_categories(project)
    for row in rows:
        became = course.categories.get(row["id"], Became())
        row |= {name: getattr(became, name) for name in BECAME}
        row |= {"answers": course.asked.get(row["id"], 0), "is_tail": row["id"] in tail}
    return rows


def clusters_by_outcome(course: Course, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of clusters accepted, rejected, split and, by the rows of `categories`, open."""
    decided = {verdict: course.verdicts.get(verdict, 0) for verdict in Decision.Verdict.values}
    return {**decided, "open": sum(row["open_clusters"] for row in rows)}


def busiest(project: Project, *, limit: int = 10) -> list[tuple[Membership, WorkRecord]]:
    """The workers who answered most, with what their work amounts to."""
    by_answers = project.members.select_related("worker").order_by(
        F("record__answers").desc(nulls_last=True), "pk"
    )
    members = list(by_answers[:limit])
    records = kept_records(members)
    return [(member, records[member.pk]) for member in members]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A decision and the answered masks of its cluster's own sample, in the order of asking.

    Attributes
    ----------
    shown : the first of them
    more : how many others there are; the cluster's own page shows them
    """

    decision: Decision
    shown: list[Tile]
    more: int


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """A page by key: `older` is the key of the next one, None on the last."""

    rows: list[Evidence]
    older: int | None


def decision_page(
    project: Project, *, verdict: str = "", before: int | None = None, size: int = 8
) -> DecisionPage:
    """The newest decisions in force, older than `before` if given, of one verdict if named."""
    found = (
        standing(project).select_related("cluster", "tree__category").defer("tree__packed").order_by("-pk")
    )
    if verdict in Decision.Verdict.values:
        found = found.filter(verdict=verdict)
    rows, older = page_before(found, before, size=size)
    return DecisionPage([evidence(decision, most=MOST_SHOWN) for decision in rows], older)


def evidence(decision: Decision, *, most: int | None = None) -> Evidence:
    """What a decision rests on: the first `most` answered masks, or all; none that were asked below it."""
    tree, cluster = decision.tree, decision.cluster
    keys = leaf_keys(cluster.size, seed=tree.seed, first=cluster.lo)
    asked = (cluster.lo + sample(keys, 0, cluster.size, decision.sample)).tolist()
    says = answers_at(tree.pk, asked)
    answered = [position for position in asked if position in says]
    shown = answered[:most]
    return Evidence(decision, tiles(tree.pk, shown, says), len(answered) - len(shown))


def project_cards(
    visible: QuerySet[Project], *, before: int | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """Per project, the newest first: stages, accepted masks and answers; and `before` of the next page."""
    projects, older = page_before(visible.order_by("-pk"), before, size=CARDS)
    keys = [project.pk for project in projects]
    counted = f"cards:{'-'.join(map(str, keys))}"
    decided, questions = shared_as(counted, lambda: (masks_by_project(keys), questions_by_project(keys)))
    rounds = (
        Round.objects.filter(project__in=projects).order_by("project_id", "-number").distinct("project_id")
    )
    latest = {round_.project_id: round_ for round_ in rounds.prefetch_related(STAGES)}
    cards = [
        {
            "project": project,
            "stages": in_order(latest[project.pk].stages.all() if project.pk in latest else ()),
            "accepted": decided.get(project.pk, Masks()).accepted,
            "questions": questions.get(project.pk, 0),
        }
        for project in projects
    ]
    return cards, older
