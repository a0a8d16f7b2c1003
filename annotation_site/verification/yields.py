"""What people's answers have yielded so far, and what was asked for it: the same wherever it is told.

A mask is **accepted** when it lies in a cluster whose decision stands and is accept, and people did not
refuse this very mask; **rejected** when its cluster is, or when they refused it in an accepted cluster. The
**questions** are the answers given, to real questions and to gold alike, those that were discarded later
included: they were asked and paid for. An answer that its worker took back is none.

The database counts: a few statements whatever the project's size, each of which reads the project's standing
decisions, or its judgments, once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q, Sum

from annotation_site.catalog.models import Project
from annotation_site.verification.models import Judgment, Says
from pipeline.aggregation import PATIENCE

DECIDED = f"""
standing AS (
  SELECT d.id, d.tree_id, d.verdict, d.interval, d.at, rd.project_id, t.category_id,
    coalesce(rules.judgments_per_question, 1) AS of
  FROM verification_decision d
  JOIN catalog_tree t ON t.id = d.tree_id AND t.role = 'pool'
  JOIN catalog_round rd ON rd.id = t.round_id
  LEFT JOIN verification_searchrules rules ON rules.round_id = rd.id
  WHERE rd.project_id = ANY(%(projects)s) AND d.withdrawn_at IS NULL AND d.verdict IN ('accept', 'reject')
), voted AS (
  SELECT s.id AS decision_id, s.of, j.question_id, j.says, j.id,
    row_number() OVER (PARTITION BY j.question_id, j.says ORDER BY j.id) AS nth
  FROM standing s
  JOIN verification_question q
    ON q.tree_id = s.tree_id AND q.position >= lower(s.interval) AND q.position < upper(s.interval)
  JOIN verification_judgment j ON j.question_id = q.id AND j.retracted_at IS NULL
  WHERE s.verdict = 'accept'
), settled AS (
  SELECT DISTINCT ON (question_id) decision_id, says FROM voted
  WHERE nth = CASE says WHEN '{Says.UNSURE.value}' THEN of + {PATIENCE} ELSE of / 2 + 1 END
  ORDER BY question_id, id
), refused AS (
  SELECT decision_id, count(*) AS masks FROM settled WHERE says <> '{Says.YES.value}' GROUP BY 1
), decided AS (
  SELECT s.id, s.project_id, s.category_id, s.verdict, s.at,
    CASE s.verdict WHEN 'accept' THEN upper(s.interval) - lower(s.interval) - coalesce(r.masks, 0) ELSE 0 END
      AS accepted,
    CASE s.verdict WHEN 'accept' THEN coalesce(r.masks, 0) ELSE upper(s.interval) - lower(s.interval) END
      AS rejected
  FROM standing s LEFT JOIN refused r ON r.decision_id = s.id
)
"""
"""Common table expressions for statements about the projects `%(projects)s`, an array of primary keys.

`decided` has a row per standing accept or reject decision of their pool trees: id, project_id, category_id,
verdict, at, and how many masks it made `accepted` and `rejected`. `settled` is the answer to a question, as
`pipeline.aggregation.Majority` derives it: the side whose last needed vote came first.
"""

MASKS = f"""
WITH {DECIDED}
SELECT project_id, sum(accepted), sum(rejected) FROM decided GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Masks:
    """How many masks are accepted and rejected; the others are undecided."""

    accepted: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """What people did.

    Attributes
    ----------
    questions : answers given, gold included
    gold : of them
    seconds : that the answers took
    """

    questions: int
    gold: int
    seconds: float

    def per_mask(self, accepted: int) -> float | None:
        """Questions per accepted mask; None before the first."""
        return self.questions / accepted if accepted else None


def masks_by_project(projects: Collection[int]) -> dict[int, Masks]:
    """Primary key -> masks, of the projects that have any decided."""
    with connection.cursor() as cursor:
        cursor.execute(MASKS, {"projects": list(projects)})
        return {project: Masks(int(accepted), int(rejected)) for project, accepted, rejected in cursor}


def masks_of(project: Project) -> Masks:
    """The masks of all rounds of a project."""
    return masks_by_project([project.pk]).get(project.pk, Masks())


def effort_of(project: Project) -> Effort:
    """What people did for a project."""
    found = (
        Judgment.objects.given()
        .filter(question__project=project)
        .aggregate(
            n=Count("id"), gold=Count("id", filter=Q(question__gold__isnull=False)), ms=Sum("elapsed_ms")
        )
    )
    return Effort(questions=found["n"], gold=found["gold"], seconds=(found["ms"] or 0) / 1000)


def questions_by_project(projects: Collection[int]) -> dict[int, int]:
    """Primary key -> answers given, gold included, of the projects that have any."""
    given = Judgment.objects.given().filter(question__project__in=projects)
    return dict(given.values_list("question__project").annotate(n=Count("id")).order_by())


def questions_by_category(project: Project) -> dict[int, int]:
    """Category's primary key -> answers given about its masks; gold is no category's."""
    given = Judgment.objects.given().filter(question__project=project, question__gold__isnull=True)
    return dict(given.values_list("question__category").annotate(n=Count("id")).order_by())
