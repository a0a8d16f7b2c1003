"""What people's answers have yielded so far, and what was asked for it: the same wherever it is told.

A mask is **accepted** when it lies in a cluster whose decision stands and is accept, and people did not
refuse this very mask; **rejected** when its cluster is, or when they refused it in an accepted cluster. The
**questions** are the answers given, to real questions and to gold alike, those that were discarded later
included: they were asked and paid for. An answer that its worker took back is none.

An object counts once: an accepted mask is **replaced**, and no longer counted, when an accepted mask of a
later round shows the same object.

An admin's verdict takes the place of the decisions that it lies over; one on a single mask is all that counts
for that mask, whatever people said of it.

The database counts: a few statements whatever the project's size, each of which reads the project's standing
decisions, or its judgments, once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q, Sum

from annotation_site.catalog.models import Project
from annotation_site.verification.models import Judgment, Says
from pipeline.aggregation import MOST_ACCURATE, PATIENCE

DECIDED = f"""
tree AS (
  SELECT t.id, t.category_id, rd.project_id, rd.number AS round_number,
    coalesce(rules.judgments_per_question, 1) AS of,
    coalesce(rules.aggregation, 'majority') AS aggregation,
    coalesce((rules.thresholds->>'accuracy')::float8, 1) AS accuracy
  FROM catalog_tree t
  JOIN catalog_round rd ON rd.id = t.round_id
  LEFT JOIN verification_searchrules rules ON rules.round_id = rd.id
  WHERE rd.project_id = ANY(%(projects)s) AND t.role = 'pool'
), by_hand AS (
  SELECT o.id, o.tree_id, o.verdict, int4range(o.lo::int, o.hi::int) AS interval, o.at
  FROM verification_overruling o JOIN tree ON tree.id = o.tree_id
  WHERE o.undone_at IS NULL AND o.replaced_by_id IS NULL AND o.verdict IN ('accept', 'reject')
), said AS (
  SELECT 'd' || d.id AS id, d.tree_id, d.verdict, d.interval, d.at, NULL::bigint AS overruling
  FROM verification_decision d JOIN tree ON tree.id = d.tree_id
  WHERE d.withdrawn_at IS NULL AND d.verdict IN ('accept', 'reject')
  UNION ALL SELECT 'o' || id, tree_id, verdict, interval, at, id FROM by_hand
), overlaid AS (
  SELECT said.id, range_agg(by_hand.interval) AS interval
  FROM by_hand JOIN said ON said.tree_id = by_hand.tree_id AND said.interval && by_hand.interval
  WHERE said.overruling IS NULL OR (said.interval @> by_hand.interval AND said.overruling <> by_hand.id)
  GROUP BY said.id
), standing AS (
  SELECT said.id, said.tree_id, said.verdict, said.at, tree.project_id, tree.round_number,
    tree.category_id, tree.of, tree.aggregation, least(tree.accuracy, {MOST_ACCURATE}) AS accuracy,
    said.overruling IS NOT NULL AND upper(said.interval) - lower(said.interval) = 1 AS of_one, said.interval,
    int4multirange(said.interval) - coalesce(overlaid.interval, int4multirange()) AS extent
  FROM said JOIN tree ON tree.id = said.tree_id LEFT JOIN overlaid ON overlaid.id = said.id
), voted AS (
  SELECT s.id AS decision_id, s.of, s.aggregation, s.accuracy, j.question_id, j.says, j.id,
    coalesce(skill.sensitivity, s.accuracy) AS sensitivity,
    coalesce(skill.specificity, s.accuracy) AS specificity,
    row_number() OVER (PARTITION BY j.question_id, j.says ORDER BY j.id) AS nth
  FROM standing s
  JOIN verification_question q ON q.tree_id = s.tree_id
    AND q.position >= lower(s.interval) AND q.position < upper(s.interval) AND s.extent @> q.position::int
  JOIN verification_judgment j ON j.question_id = q.id AND j.retracted_at IS NULL
  LEFT JOIN verification_skill skill ON skill.tree_id = s.tree_id AND skill.worker_id = j.worker_id
    AND s.aggregation = 'accuracy_weighted'
  WHERE s.verdict = 'accept' AND NOT s.of_one
), settled AS (
  SELECT DISTINCT ON (question_id) decision_id, question_id, says FROM voted
  WHERE aggregation = 'majority'
    AND nth = CASE says WHEN '{Says.UNSURE.value}' THEN of + {PATIENCE} ELSE of / 2 + 1 END
  ORDER BY question_id, id
), weighed AS (
  SELECT decision_id, question_id,
    sum(CASE says WHEN 'yes' THEN 1 WHEN 'no' THEN -1 ELSE 0 END) AS surplus,
    sum(CASE WHEN aggregation <> 'accuracy_weighted' OR says = '{Says.UNSURE.value}' THEN 0
      WHEN says = '{Says.YES.value}' THEN ln(sensitivity / (1 - specificity))
      ELSE ln((1 - sensitivity) / specificity) END) AS weight,
    count(*) FILTER (WHERE says = '{Says.UNSURE.value}') AS unsure, min(aggregation) AS aggregation
  FROM voted WHERE aggregation <> 'majority' GROUP BY 1, 2
), heavier AS (
  SELECT decision_id, question_id,
    CASE aggregation WHEN 'accuracy_weighted' THEN weight ELSE surplus END AS total, unsure
  FROM weighed
), refusals AS (
  SELECT x.decision_id, q.mask_id FROM (
    SELECT decision_id, question_id FROM settled WHERE says <> '{Says.YES.value}'
    UNION ALL
    SELECT decision_id, question_id FROM heavier WHERE total < 0 OR (total = 0 AND unsure > {PATIENCE})
  ) x JOIN verification_question q ON q.id = x.question_id
), refused AS (
  SELECT decision_id, count(*) AS masks FROM refusals GROUP BY 1
), replacing AS (
  SELECT s.id AS decision_id, s.tree_id, r.earlier_id AS mask_id, old.position, n.round_number
  FROM catalog_replacement r
  JOIN catalog_mask old ON old.id = r.earlier_id
  JOIN standing s ON s.tree_id = old.tree_id AND s.verdict = 'accept' AND s.extent @> old.position::int
  JOIN catalog_mask new ON new.id = r.mask_id
  JOIN standing n ON n.tree_id = new.tree_id AND n.verdict = 'accept' AND n.extent @> new.position::int
  WHERE NOT EXISTS (SELECT 1 FROM refusals f WHERE f.mask_id IN (r.earlier_id, r.mask_id))
), replaced AS (
  SELECT decision_id, count(DISTINCT mask_id) AS masks FROM replacing GROUP BY 1
), sized AS (
  SELECT s.*, (SELECT coalesce(sum(upper(part) - lower(part)), 0) FROM unnest(s.extent) part) AS masks
  FROM standing s
), decided AS (
  SELECT s.id, s.project_id, s.round_number, s.category_id, s.tree_id, s.verdict, s.at,
    CASE s.verdict WHEN 'accept' THEN s.masks - coalesce(r.masks, 0) - coalesce(p.masks, 0) ELSE 0 END
      AS accepted,
    CASE s.verdict WHEN 'accept' THEN coalesce(r.masks, 0) ELSE s.masks END AS rejected
  FROM sized s LEFT JOIN refused r ON r.decision_id = s.id LEFT JOIN replaced p ON p.decision_id = s.id
)
"""
"""Common table expressions for statements about the projects `%(projects)s`, an array of primary keys.

`tree` has their pool trees. `decided` has a row per standing accept or reject on them, of people or of an
admin: id, project_id, round_number, category_id, tree_id, verdict, at, and how many masks it made `accepted`
and `rejected`; those that a later round replaced are neither. Of what verdicts by hand lie over, those count
alone, the innermost first. `settled` is the answer to a question, as `pipeline.aggregation.Majority` derives
it: the side whose last needed vote came first. `heavier` is it, above 0 for yes, as `WhereItMatters` does.
"""

MASKS = f"""
WITH {DECIDED}
SELECT project_id, sum(accepted), sum(rejected) FROM decided GROUP BY 1
"""


ROUNDS = f"""
WITH {DECIDED}
SELECT round_number, sum(accepted), sum(rejected) FROM decided GROUP BY 1
"""

ACCEPTED_MASKS = f"""
WITH {DECIDED}
SELECT m.id FROM standing s
JOIN catalog_mask m ON m.tree_id = s.tree_id
  AND m.position >= lower(s.interval) AND m.position < upper(s.interval) AND s.extent @> m.position::int
WHERE s.verdict = 'accept' AND NOT EXISTS (SELECT 1 FROM refusals f WHERE f.mask_id = m.id)
  AND NOT EXISTS (SELECT 1 FROM replacing r WHERE r.mask_id = m.id)
"""
"""The primary keys of the accepted masks of the projects `%(projects)s`."""


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

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.questions + other.questions, self.gold + other.gold, self.seconds + other.seconds)

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


def masks_by_round(project: Project) -> dict[int, Masks]:
    """Number of a round -> its masks, of the rounds that have any decided."""
    with connection.cursor() as cursor:
        cursor.execute(ROUNDS, {"projects": [project.pk]})
        return {number: Masks(int(accepted), int(rejected)) for number, accepted, rejected in cursor}


def effort_of(project: Project, *, until: datetime | None = None) -> Effort:
    """What people did for a project, in all or before a moment."""
    given = Judgment.objects.given().filter(question__project=project)
    found = (given.filter(at__lt=until) if until else given).aggregate(
        n=Count("id"), gold=Count("id", filter=Q(question__gold__isnull=False)), ms=Sum("elapsed_ms")
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
