"""What the project pages show, read from the facts.

The rows that come back are bounded whatever the project's size: by its categories, by `BINS`, by a page or a
limit. What the database reads for them is not always: `categories`, `curve`, `clusters_by_outcome`, `workers`
and `project_cards` count decisions and judgments, each of which they look at once. `sharing` keeps tabs that
stay open from asking for that again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, Max, Min, Prefetch, Q, QuerySet

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask, Project, Role, Round, StageRun
from annotation_site.dashboards.sharing import shared_as
from annotation_site.people.models import Membership
from annotation_site.verification.models import UNDONE, Cluster, Decision, Judgment, Question
from annotation_site.verification.yields import (
    DECIDED,
    Masks,
    masks_by_project,
    questions_by_category,
    questions_by_project,
)
from pipeline import masks
from pipeline.sampling import leaf_keys, sample

MOST_SHOWN = 20
"""Masks of a decision in a list of decisions."""
BINS = 200
"""Points of a curve: more than the pixels of a phone, fewer than anyone can tell apart."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Running totals at the ends of equal stretches of time in which people answered."""

    at: list[datetime]
    questions: list[int]
    accepted: list[int]
    seconds: list[float]


def latest_round(project: Project) -> Round | None:
    return project.rounds.order_by("-number").first()


def stages(round_: Round | None) -> list[StageRun]:
    """One per stage in the order of work; those not begun are unsaved rows in state waiting."""
    known = {} if round_ is None else {run.stage: run for run in round_.stages.all()}
    return [known.get(stage, StageRun(stage=stage)) for stage in StageRun.Stage.values]


def standing(project: Project) -> QuerySet[Decision]:
    """The decisions in force."""
    return Decision.objects.in_force().filter(tree__round__project=project)


def clusters_by_outcome(project: Project) -> dict[str, int]:
    """Number of clusters accepted, rejected, split and open."""
    found: dict[str, int] = dict(standing(project).values_list("verdict").annotate(n=Count("id")))
    found["open"] = Cluster.objects.filter(tree__round__project=project, is_open=True).count()
    return {outcome: found.get(outcome, 0) for outcome in ("accept", "reject", "split", "open")}


CATEGORY_ROWS = f"""
WITH {DECIDED}, own AS (
  SELECT t.id, t.category_id, t.n FROM catalog_tree t JOIN catalog_round rd ON rd.id = t.round_id
  WHERE rd.project_id = ANY(%(projects)s) AND t.role = 'pool'
), predicted AS (
  SELECT category_id, sum(n) AS masks FROM own GROUP BY 1
), became AS (
  SELECT category_id, sum(accepted) AS accepted, sum(rejected) AS rejected,
    count(*) FILTER (WHERE verdict = 'accept') AS accepted_clusters
  FROM decided GROUP BY 1
), opened AS (
  SELECT own.category_id, count(*) AS clusters FROM verification_cluster c JOIN own ON own.id = c.tree_id
  WHERE c.is_open GROUP BY 1
), clustered AS (
  SELECT DISTINCT own.category_id FROM own
  JOIN verification_cluster c ON c.tree_id = own.id AND c.hi > c.lo + 1
), rule AS (
  SELECT count(*) > 0 AS was_opened FROM verification_searchrules s
  JOIN catalog_round rd ON rd.id = s.round_id WHERE rd.project_id = ANY(%(projects)s)
)
SELECT cat.id, cat.name, p.masks,
  coalesce(b.accepted, 0) AS accepted, coalesce(b.rejected, 0) AS rejected,
  coalesce(b.accepted_clusters, 0) AS accepted_clusters, coalesce(o.clusters, 0) AS open_clusters,
  rule.was_opened AND c.category_id IS NULL AS is_tail
FROM predicted p CROSS JOIN rule
JOIN catalog_category cat ON cat.id = p.category_id
LEFT JOIN became b ON b.category_id = cat.id
LEFT JOIN opened o ON o.category_id = cat.id
LEFT JOIN clustered c ON c.category_id = cat.id
ORDER BY p.masks DESC, cat.name
"""


def categories(project: Project) -> list[dict[str, Any]]:
    """Per category of the pool: masks, accepted and rejected ones, open clusters, answers without gold.

    `is_tail` tells categories that have no cluster in an opened project: too few masks, or none good enough.
    """
    with connection.cursor() as cursor:
        cursor.execute(CATEGORY_ROWS, {"projects": [project.pk]})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    answers = questions_by_category(project)
    return [{**row, "answers": answers.get(row["id"], 0)} for row in rows]


ANSWERED = """
SELECT width, count(*), sum(elapsed_ms) / 1000.0 FROM (
  SELECT {bin} AS width, j.elapsed_ms
  FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id
  WHERE q.project_id = ANY(%(projects)s) AND j.retracted_because <> %(undone)s
) b GROUP BY 1
"""

ACCEPTED = f"""
WITH {DECIDED}
SELECT width, sum(accepted), 0 FROM (
  SELECT {{bin}} AS width, d.accepted FROM decided d WHERE d.verdict = 'accept'
) b GROUP BY 1
"""


def curve(project: Project) -> Curve:
    """Accepted masks against questions and time: what was bought so far, in at most `BINS` points.

    Both as `verification.yields` defines them; a mask that is refused later leaves the point of its decision.
    """
    ends = (
        Judgment.objects.given().filter(question__project=project).aggregate(first=Min("at"), last=Max("at"))
    )
    if ends["first"] is None:
        return Curve([], [], [], [])
    start, width = ends["first"], max((ends["last"] - ends["first"]) / (BINS - 1), timedelta(milliseconds=1))
    answered = _binned(ANSWERED, "j.at", project, start, width)
    accepted = _binned(ACCEPTED, "d.at", project, start, width)
    bins = sorted(set(answered) | set(accepted))
    nothing = (0, 0.0)
    return Curve(
        at=[start + (b + 1) * width for b in bins],
        questions=list(accumulate(answered.get(b, nothing)[0] for b in bins)),
        accepted=list(accumulate(accepted.get(b, nothing)[0] for b in bins)),
        seconds=[round(s, 1) for s in accumulate(answered.get(b, nothing)[1] for b in bins)],
    )


def _binned(
    sql: str, time: str, project: Project, start: datetime, width: timedelta
) -> dict[int, tuple[int, float]]:
    """Bin number -> (count, seconds) of a query whose `{bin}` numbers the stretch that `time` falls in."""
    stretch = (
        f"least(greatest(floor(extract(epoch FROM {time} - %(start)s) / %(width)s), 0), {BINS - 1})::int"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            sql.format(bin=stretch),
            {
                "projects": [project.pk],
                "undone": UNDONE,
                "start": start,
                "width": width.total_seconds(),
            },
        )
        return {bin_: (int(count), float(seconds)) for bin_, count, seconds in cursor.fetchall()}


def workers(project: Project, *, limit: int = 50) -> QuerySet[Membership]:
    """The busiest workers with the answers they gave, gold accuracy and pace."""
    mine = Q(worker__judgments__question__project=project) & ~Q(worker__judgments__retracted_because=UNDONE)
    gold = mine & Q(worker__judgments__question__gold__isnull=False)
    right = gold & (
        Q(worker__judgments__says="yes", worker__judgments__question__gold__is_correct=True)
        | Q(worker__judgments__says="no", worker__judgments__question__gold__is_correct=False)
    )
    return (
        project.members.select_related("worker")
        .annotate(
            answers=Count("worker__judgments", filter=mine),
            gold_answers=Count("worker__judgments", filter=gold),
            gold_right=Count("worker__judgments", filter=right),
            pace_ms=Avg("worker__judgments__elapsed_ms", filter=mine),
        )
        .order_by("-answers", "pk")[:limit]
    )


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answered mask of a cluster, with what people said."""

    mask: Mask
    says: list[str]

    @property
    def frame(self) -> Frame:
        """The part of the photo that is shown."""
        return framing.around(self.mask.box, width=self.mask.image.width, height=self.mask.image.height)

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.mask.rle)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A decision and the answered masks of its cluster, in the order of asking."""

    decision: Decision
    sampled: list[Sampled]

    @property
    def shown(self) -> list[Sampled]:
        """Those that a list of decisions has room for."""
        return self.sampled[:MOST_SHOWN]

    @property
    def more(self) -> int:
        """How many others there are; the cluster's own page shows them."""
        return max(0, len(self.sampled) - MOST_SHOWN)


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """A page by key: `older` is the key of the next one, None on the last."""

    rows: list[Evidence]
    older: int | None


def decision_page(
    project: Project, *, verdict: str = "", before: int | None = None, size: int = 10
) -> DecisionPage:
    """The newest decisions in force, older than `before` if given, of one verdict if named."""
    found = (
        standing(project).select_related("cluster", "tree__category").defer("tree__packed").order_by("-pk")
    )
    if verdict in Decision.Verdict.values:
        found = found.filter(verdict=verdict)
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: size + 1])
    older = rows[size - 1].pk if len(rows) > size else None
    return DecisionPage([Evidence(decision, sampled(decision)) for decision in rows[:size]], older)


def sampled(decision: Decision) -> list[Sampled]:
    """The answered masks of a cluster's own sample, in the order of asking; not those asked below it."""
    tree, cluster = decision.tree, decision.cluster
    keys = leaf_keys(cluster.size, seed=tree.seed, first=cluster.lo)
    asked = (cluster.lo + sample(keys, 0, cluster.size, decision.sample)).tolist()
    answers = Judgment.objects.counting()
    questions = (
        Question.objects.filter(tree=tree.pk, position__in=asked)
        .select_related("mask__image")
        .prefetch_related(Prefetch("judgments", queryset=answers, to_attr="standing"))
    )
    return [
        Sampled(question.mask, [judgment.says for judgment in question.standing])
        for question in sorted(questions, key=lambda question: asked.index(question.position))
        if question.mask is not None and question.standing
    ]


def image_counts(project: Project) -> dict[str, int]:
    """Images per role."""
    found = dict(project.images.values_list("role").annotate(n=Count("id")))
    return {role: found.get(role, 0) for role in Role.values}


def project_cards(visible: QuerySet[Project]) -> list[dict[str, Any]]:
    """Per project, the newest hundred first: its stages, accepted masks and answers."""
    projects = list(visible[:100])
    keys = [project.pk for project in projects]
    counted = f"cards:{'-'.join(map(str, keys))}"
    decided, questions = shared_as(counted, lambda: (masks_by_project(keys), questions_by_project(keys)))
    rounds = (
        Round.objects.filter(project__in=projects).order_by("project_id", "-number").distinct("project_id")
    )
    latest = {round_.project_id: round_ for round_ in rounds.prefetch_related("stages")}
    return [
        {
            "project": project,
            "stages": stages(latest.get(project.pk)),
            "accepted": decided.get(project.pk, Masks()).accepted,
            "questions": questions.get(project.pk, 0),
        }
        for project in projects
    ]
