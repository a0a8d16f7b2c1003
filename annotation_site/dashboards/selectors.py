"""What the project pages show, read from the facts; every query is bounded whatever the project's size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, F, Max, Min, Prefetch, Q, QuerySet, Sum

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask, Project, Role, Round, StageRun
from annotation_site.people.models import Membership
from annotation_site.verification.models import Cluster, Decision, Judgment, Question
from pipeline import masks
from pipeline.sampling import leaf_keys, sample

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
    return Decision.objects.filter(tree__round__project=project, withdrawn_at__isnull=True)


def judgments(project: Project) -> QuerySet[Judgment]:
    """The answers that count."""
    return Judgment.objects.filter(question__project=project, retracted_at__isnull=True)


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers that count, gold among them, and the time they took."""

    questions: int
    seconds: float


def answered(project: Project) -> Answered:
    """How much people answered."""
    found = judgments(project).aggregate(n=Count("id"), ms=Sum("elapsed_ms"))
    return Answered(questions=found["n"], seconds=(found["ms"] or 0) / 1000)


def clusters_by_outcome(project: Project) -> dict[str, int]:
    """Number of clusters accepted, rejected, split and open."""
    found: dict[str, int] = dict(standing(project).values_list("verdict").annotate(n=Count("id")))
    found["open"] = Cluster.objects.filter(tree__round__project=project, is_open=True).count()
    return {outcome: found.get(outcome, 0) for outcome in ("accept", "reject", "split", "open")}


CATEGORY_ROWS = """
WITH own AS (
  SELECT t.id FROM catalog_tree t JOIN catalog_round rd ON rd.id = t.round_id
  WHERE rd.project_id = %(project)s AND t.role = 'pool'
), decided AS (
  SELECT d.tree_id, d.verdict, sum(upper(d.interval) - lower(d.interval)) AS masks, count(*) AS clusters
  FROM verification_decision d JOIN own ON own.id = d.tree_id WHERE d.withdrawn_at IS NULL GROUP BY 1, 2
), asked AS (
  SELECT q.tree_id, count(*) AS answers
  FROM verification_question q JOIN verification_judgment j ON j.question_id = q.id AND j.retracted_at IS NULL
  WHERE q.project_id = %(project)s AND q.tree_id IS NOT NULL GROUP BY 1
), opened AS (
  SELECT c.tree_id, count(*) AS clusters FROM verification_cluster c JOIN own ON own.id = c.tree_id
  WHERE c.is_open GROUP BY 1
)
SELECT cat.name, sum(t.n) AS masks,
  coalesce(sum(a.masks), 0) AS accepted, coalesce(sum(r.masks), 0) AS rejected,
  coalesce(sum(a.clusters), 0) AS accepted_clusters, coalesce(sum(o.clusters), 0) AS open_clusters,
  coalesce(sum(k.answers), 0) AS answers
FROM catalog_tree t
JOIN own ON own.id = t.id
JOIN catalog_category cat ON cat.id = t.category_id
LEFT JOIN decided a ON a.tree_id = t.id AND a.verdict = 'accept'
LEFT JOIN decided r ON r.tree_id = t.id AND r.verdict = 'reject'
LEFT JOIN asked k ON k.tree_id = t.id
LEFT JOIN opened o ON o.tree_id = t.id
GROUP BY cat.id, cat.name ORDER BY masks DESC, cat.name
"""


def categories(project: Project) -> list[dict[str, Any]]:
    """Per category of the pool: masks, accepted and rejected ones, open clusters, answers."""
    with connection.cursor() as cursor:
        cursor.execute(CATEGORY_ROWS, {"project": project.pk})
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def curve(project: Project) -> Curve:
    """Accepted masks against questions and time: what was bought so far, in at most `BINS` points."""
    ends = judgments(project).aggregate(first=Min("at"), last=Max("at"))
    if ends["first"] is None:
        return Curve([], [], [], [])
    start, width = ends["first"], max((ends["last"] - ends["first"]) / (BINS - 1), timedelta(milliseconds=1))
    answered = _binned(
        "SELECT width, count(*), sum(elapsed_ms) / 1000.0 FROM (SELECT {bin} AS width, j.elapsed_ms"
        " FROM verification_judgment j JOIN verification_question q ON q.id = j.question_id"
        " WHERE q.project_id = %(project)s AND j.retracted_at IS NULL) b GROUP BY 1",
        "j.at", project, start, width,
    )  # fmt: skip
    accepted = _binned(
        "SELECT width, sum(masks), 0 FROM (SELECT {bin} AS width,"
        " upper(d.interval) - lower(d.interval) AS masks"
        " FROM verification_decision d JOIN catalog_tree t ON t.id = d.tree_id"
        " JOIN catalog_round r ON r.id = t.round_id"
        " WHERE r.project_id = %(project)s AND d.withdrawn_at IS NULL AND d.verdict = 'accept') b GROUP BY 1",
        "d.at", project, start, width,
    )  # fmt: skip
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
            {"project": project.pk, "start": start, "width": width.total_seconds()},
        )
        return {bin_: (int(count), float(seconds)) for bin_, count, seconds in cursor.fetchall()}


def workers(project: Project, *, limit: int = 50) -> QuerySet[Membership]:
    """The busiest workers with their answers, gold accuracy and pace."""
    mine = Q(worker__judgments__question__project=project, worker__judgments__retracted_at__isnull=True)
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
    asked = sample(leaf_keys(tree.n, seed=tree.seed), cluster.lo, cluster.hi, decision.sample).tolist()
    answers = Judgment.objects.filter(retracted_at__isnull=True)
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


def project_cards() -> list[dict[str, Any]]:
    """Per project, newest first: its stages, accepted masks and answers."""
    accepted = dict(
        Decision.objects.filter(withdrawn_at__isnull=True, verdict=Decision.Verdict.ACCEPT)
        .values_list("tree__round__project")
        .annotate(n=Sum(F("cluster__hi") - F("cluster__lo")))
    )
    answers = dict(
        Judgment.objects.filter(retracted_at__isnull=True)
        .values_list("question__project")
        .annotate(n=Count("id"))
    )
    projects = list(Project.objects.all()[:100])
    rounds = (
        Round.objects.filter(project__in=projects).order_by("project_id", "-number").distinct("project_id")
    )
    latest = {round_.project_id: round_ for round_ in rounds.prefetch_related("stages")}
    return [
        {
            "project": project,
            "stages": stages(latest.get(project.pk)),
            "accepted": accepted.get(project.pk, 0),
            "questions": answers.get(project.pk, 0),
        }
        for project in projects
    ]
