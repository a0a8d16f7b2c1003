"""What always holds of a campaign, checked against its facts. The database itself keeps the rest.

Constraints of the database, which nothing can break: one standing decision per cluster, accepted and rejected
intervals of a tree do not overlap, one judgment per item, one per question and worker, one live assignment
per worker, the ledger's sum under the caps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.catalog.models import Image, Project, Tree
from annotation_site.catalog.roles import kept_counts
from annotation_site.verification import questions
from annotation_site.verification.by_hand import by_hand_in
from annotation_site.verification.fold import Derived, fold
from annotation_site.verification.ground import Ground, ground_of
from annotation_site.verification.models import Assignment, Cluster, Decision
from annotation_site.verification.planning import Rested, answers_of, holds, weigh
from annotation_site.verification.questions import Asked
from annotation_site.verification.withdrawing import is_current
from pipeline.decisions import Verdict

Kind = LedgerEntry.Kind
Invariant = Callable[[Project], Iterator[str]]


def check_campaign(project: Project) -> list[str]:
    """What contradicts the facts, empty when nothing does. Reads a lot; run it while nobody answers."""
    return [f"{name}: {found}" for name, check in INVARIANTS.items() for found in check(project)]


def _open_as_decided(project: Project) -> Iterator[str]:
    for tree, _, derived, _ in _trees(project):
        stored = set(Cluster.objects.filter(tree=tree, is_open=True).values_list("node", flat=True))
        if stored != set(derived.open):
            yield f"tree {tree.pk} has {sorted(stored)} open, the decisions say {sorted(derived.open)}"


def _queue_as_answered(project: Project) -> Iterator[str]:
    for tree, _, derived, asked in _trees(project):
        nodes = dict(Cluster.objects.filter(tree=tree).values_list("pk", "node"))
        for question in asked:
            place = derived.places.get(question.position)
            stored = (nodes[question.cluster_id], question.rank, question.wanted, question.turn)
            if place is not None and stored != (place.node, place.rank, place.wanted, place.turn):
                yield f"question {question.id} is {stored}, the facts say {place}"
            if place is None and question.wanted:
                yield f"question {question.id} is asked for no open cluster"
        wanted = {position for position, place in derived.places.items() if place.wanted}
        missing = wanted - {question.position for question in asked}
        if missing:
            yield f"tree {tree.pk} has no question about {sorted(missing)}"


def _undecided_are_unsettled(project: Project) -> Iterator[str]:
    for tree, _, derived, _ in _trees(project):
        for one in derived.open.values():
            if one.verdict is not Verdict.ASK:
                yield f"cluster {one.node} of tree {tree.pk} is open, its answers say {one.verdict}"


def _decisions_hold(project: Project) -> Iterator[str]:
    for tree, ground, _, asked in _trees(project):
        answers, by_hand = answers_of(ground, questions.by_position(asked)), by_hand_in(tree.pk)
        decisions = _in_force(tree).values_list("cluster__node", "verdict", "yes", "no", "rests_on")
        for node, verdict, yes, no, last in decisions:
            above = int(ground.tree.lo[node]), int(ground.tree.hi[node])
            kept = verdict == Decision.Verdict.SPLIT and by_hand.keeps_split(*above)
            if not kept and not holds(ground, node, Rested(verdict, yes, no, last), answers):
                now = weigh(ground, node, answers)
                yield f"cluster {node} of tree {tree.pk} stands {verdict}, what remains says {now.verdict}"


def _below_splits_only(project: Project) -> Iterator[str]:
    for tree, *_ in _trees(project):
        decided = _decided(tree)
        known = dict(Cluster.objects.filter(tree=tree).values_list("node", "parent__node"))
        for node in decided:
            parent = known[node]
            if parent is not None and decided.get(parent) is not Verdict.SPLIT:
                yield f"cluster {node} of tree {tree.pk} is decided below {parent}, which is not split"


LEASES = """
SELECT q.id, q.taken, count(i.id) FROM verification_question q
LEFT JOIN (
  verification_item i JOIN verification_assignment a
    ON a.id = i.assignment_id AND a.finished_at IS NULL AND a.released_at IS NULL
) ON i.question_id = q.id AND NOT EXISTS (
  SELECT 1 FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_at IS NULL
)
WHERE q.project_id = %s AND q.mask_id IS NOT NULL GROUP BY q.id HAVING q.taken <> count(i.id)
"""


def _leases_are_counted(project: Project) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(LEASES, [project.pk])
        for question, taken, leased in cursor.fetchall():
            yield f"question {question} counts {taken} leases, there are {leased}"


def _ledger_adds_up(project: Project) -> Iterator[str]:
    budget = Budget.objects.filter(project=project).first()
    if budget is None:
        return
    sums = LedgerEntry.objects.filter(project=project).aggregate(q=Sum("questions"), m=Sum("money"))
    entered = (sums["q"] or 0, sums["m"] or Decimal(0))
    stored = (budget.committed_questions, budget.committed_money)
    if entered != stored:
        yield f"the ledger sums up to {entered}, the budget says {stored}"


def _hits_are_paid(project: Project) -> Iterator[str]:
    moved: defaultdict[str, set[str]] = defaultdict(set)
    for reference, kind in LedgerEntry.objects.filter(project=project).values_list("reference", "kind"):
        moved[reference].add(kind)
    for assignment in Assignment.objects.filter(project=project):
        found = moved[assignment.reference]
        due = {Kind.RESERVE} if assignment.is_live else {Kind.RESERVE, Kind.RELEASE, Kind.SETTLE}
        if found != due:
            yield f"{assignment.reference} has {sorted(found)} in the ledger, not {sorted(due)}"


def _finished_are_answered(project: Project) -> Iterator[str]:
    finished = Assignment.objects.filter(project=project, finished_at__isnull=False)
    for assignment in finished:
        answered = set(assignment.items.filter(judgments__isnull=False).values_list("pk", flat=True))
        if len(answered) != assignment.items.count():
            yield f"{assignment.reference} is finished, but not every item of it was answered"


def _images_are_counted(project: Project) -> Iterator[str]:
    roles = Image.objects.filter(project=project).values_list("role")
    counted = roles.annotate(n=Count("pk"), in_place=Count("pk", filter=Q(path__startswith="/")))
    there = {role: numbers for role, *numbers in counted}
    for role, kept in kept_counts(project).items():
        for what, number, real in zip(("", "in place "), kept, there.get(role, (0, 0)), strict=True):
            if number != real:
                yield f"{number} {role} images {what}are counted, there are {real}"


INVARIANTS: dict[str, Invariant] = {
    "open clusters are those without a decision below splits": _open_as_decided,
    "questions are asked as open clusters still need them": _queue_as_answered,
    "open clusters are not settled by their answers": _undecided_are_unsettled,
    "decisions hold on the judgments that count": _decisions_hold,
    "only below splits is anything decided": _below_splits_only,
    "every lease is counted, and nothing else": _leases_are_counted,
    "the budget is the sum of the ledger": _ledger_adds_up,
    "open HITs are reserved, ended ones settled": _hits_are_paid,
    "finished HITs are answered": _finished_are_answered,
    "every image is counted by its role": _images_are_counted,
}


def _trees(project: Project) -> Iterator[tuple[Tree, Ground, Derived, list[Asked]]]:
    """Every tree that was opened, what follows from its facts, and its questions."""
    trees = Tree.objects.filter(round__project=project, clusters__isnull=False).defer("packed").distinct()
    for tree in trees.order_by("pk"):
        ground = ground_of(tree.pk)
        asked = questions.asked_within(tree.pk, [(0, tree.n)])
        current = is_current(tree.pk)
        judgments, by_hand = questions.by_position(asked), by_hand_in(tree.pk)
        derived = fold(ground, _decided(tree), judgments, by_hand) if current else Derived({}, {})
        yield tree, ground, derived, asked


def _decided(tree: Tree) -> dict[int, Verdict]:
    """Node -> verdict of the decisions in force."""
    found = _in_force(tree).values_list("cluster__node", "verdict")
    return {node: Verdict(verdict) for node, verdict in found}


def _in_force(tree: Tree) -> QuerySet[Decision]:
    return Decision.objects.filter(tree=tree, withdrawn_at__isnull=True)
