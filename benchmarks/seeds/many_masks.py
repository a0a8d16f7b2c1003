"""A project of many masks for benchmarks: written by statements that the database carries out itself.

People's answers are drawn by the masks' scores, and the search goes as far as they reach: clusters,
questions, judgments and decisions are what the site itself would have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction

from annotation_site.catalog.models import Category, Image, Mask, Project, Round, StageRun, Tree
from annotation_site.people.members import join
from annotation_site.verification import overruling
from annotation_site.verification.ground import Ground, ground_of, rules_of
from annotation_site.verification.models import Assignment, Cluster, Decision, Item, Question
from annotation_site.verification.planning import Answers, Planned, weigh
from pipeline import masks as outlines
from pipeline.aggregation import Judgment
from pipeline.decisions import Verdict
from pipeline.dendrogram import Dendrogram

BLOCK = 128
"""Leaves that look alike: their masks are right or wrong together."""
PEOPLE, HIT = 40, 50
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LASTING = 400_000
"""Seconds over which people answered."""

IMAGES = """
INSERT INTO catalog_image (project_id, role, name, path, digest, width, height, coco_id)
SELECT %(project)s, CASE WHEN i <= 500 THEN 'initial' ELSE 'pool' END, 'photo-' || i || '.jpg', %(path)s,
  md5(i::text), 640, 480, NULL FROM generate_series(1, %(images)s) i
"""
MASKS = """
INSERT INTO catalog_mask
  (tree_id, position, image_id, x, y, width, height, counts, class_score, predicted_iou, score, iou)
SELECT %(tree)s, place - 1, %(first)s + (random() * %(images)s)::int, 600 * random(), 440 * random(),
  20 + 60 * random(), 20 + 40 * random(), %(counts)s, score, 1, score, NULL
FROM unnest(%(scores)s::float8[]) WITH ORDINALITY AS leaf(score, place)
"""
DRAWN = """
INSERT INTO catalog_annotation (image_id, category_id, x, y, width, height, counts, area, is_crowd, coco_id)
SELECT i.id, (%(categories)s::bigint[])[1 + (random() * (%(n)s - 1))::int], 500 * random(), 400 * random(),
  20 + 80 * random(), 20 + 60 * random(), %(counts)s, 2000, false, NULL
FROM catalog_image i, generate_series(1, 10) WHERE i.project_id = %(project)s AND i.role = 'initial'
"""


def seed(*, masks: int, trees: int, answers: int, photo: Path) -> None:
    """The project with its images, trees, masks, answers and decisions."""
    images = 500 + max(500, masks // 10)
    project = Project.objects.create(name="Many masks", slug="many", k_pa=0.7, state="open")
    round_ = Round.objects.create(project=project, number=1, k_pa=0.7)
    for stage in StageRun.Stage.values:
        StageRun.objects.create(round=round_, stage=stage, state="done", done=1, total=1)
    categories = [
        Category.objects.create(project=project, coco_id=n + 1, name=f"thing {n:02}") for n in range(trees)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        # Before triggers sleep: one of them counts the images.
        cursor.execute(IMAGES, {"project": project.pk, "images": images, "path": str(photo)})
        cursor.execute("SET LOCAL session_replication_role = replica")  # Foreign keys hold by construction.
        indexes = without_indexes(cursor)
        first = Image.objects.filter(project=project, role="pool").order_by("pk")[0].pk
        keys = [category.pk for category in categories]
        cursor.execute(DRAWN, {"project": project.pk, "categories": keys, "n": len(keys), "counts": blob()})
        for category, n in zip(categories, sizes(masks, trees), strict=True):
            plant(cursor, round_, category, n, first=first, images=images - 501)
        for index in indexes:
            cursor.execute(index)
    answer(project, round_, answers)
    overrule(project)


def without_indexes(cursor: Any) -> list[str]:
    """Drop the masks' indexes on images, whose order is random; the statements that make them again."""
    found = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'catalog_mask' AND indexdef LIKE %s"
    cursor.execute(found, ["%(image_id)"])
    rows = cursor.fetchall()
    for name, _ in rows:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in rows]


def sizes(masks: int, trees: int) -> list[int]:
    """As categories are: the largest has a tenth of all masks, most have few."""
    shares = 1 / np.arange(1, trees + 1) ** 0.8
    return [max(BLOCK, int(n)) for n in masks * shares / shares.sum()]


def blob() -> bytes:
    """Run lengths of a disc."""
    y, x = np.ogrid[:480, :640]
    return outlines.encode(((x - 40) / 30) ** 2 + ((y - 28) / 20) ** 2 < 1)["counts"]


def merges(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n - 1, 4) merges of neighbours, some of whom wait for a later level: a tree of uneven depth."""
    nodes, sizes_, made, rows, level = np.arange(n), np.ones(n), n, [], 1.0
    while len(nodes) > 1:
        joins = rng.random(len(nodes) - 1) < 0.7
        joins[1:] &= ~joins[:-1] | (np.arange(1, len(joins)) % 2 == 0)
        joins = joins & ~np.concatenate([[False], joins[:-1]])
        left = np.flatnonzero(joins) if joins.any() else np.array([0])
        both = sizes_[left] + sizes_[left + 1]
        rows.append(np.column_stack([nodes[left], nodes[left + 1], np.full(len(left), level), both]))
        nodes[left], sizes_[left] = made + np.arange(len(left)), both
        nodes, sizes_ = np.delete(nodes, left + 1), np.delete(sizes_, left + 1)
        made, level = made + len(left), level + 1
    return np.concatenate(rows)


def plant(cursor: Any, round_: Round, category: Category, n: int, *, first: int, images: int) -> None:
    """A tree and its masks."""
    rng = np.random.default_rng(category.pk)
    alike = np.repeat(rng.uniform(0.3, 0.98, -(-n // BLOCK)), BLOCK)[:n]
    scores = np.clip(alike + rng.normal(0, 0.03, n), 0.01, 1)
    tree = Tree.objects.create(
        round=round_, category=category, role="pool", n=n, linkage="complete", seed=1,
        packed=Dendrogram.from_linkage(merges(n, rng), scores).to_bytes(),
    )  # fmt: skip
    cursor.execute(
        MASKS,
        {"tree": tree.pk, "first": first, "images": images - 1, "counts": blob(), "scores": scores.tolist()},
    )


def answer(project: Project, round_: Round, answers: int) -> None:
    """Clusters, questions, judgments and decisions, tree by tree until its share of answers is given."""
    rules = rules_of(project, round_)
    rules.opened_at = NOON
    rules.save()
    people = [join(project=project, provider="load", external_id=str(n)).worker_id for n in range(PEOPLE)]
    trees = list(Tree.objects.filter(round=round_).defer("packed").order_by("pk"))
    for tree in trees:
        decide(tree, project, people, answers // len(trees))


def decide(tree: Tree, project: Project, people: Sequence[int], answers: int) -> None:
    """Search one tree with answers drawn by the score, best-first, until enough are given."""
    ground, rng = ground_of(tree.pk), np.random.default_rng(tree.pk)
    scores = np.diff(ground.tree.score_sum)
    truth = rng.random(tree.n) < np.clip((scores - 0.55) * 3.2, 0.02, 0.99)
    planned, asked = search(ground, truth, answers)
    clusters = {one.node: cluster(tree, ground, one) for one in planned}
    Cluster.objects.bulk_create(clusters.values(), batch_size=5000)
    settled = [one for one in planned if one.verdict is not Verdict.ASK]
    moments = [NOON + timedelta(seconds=int(at)) for at in np.sort(rng.integers(0, LASTING, len(settled)))]
    Decision.objects.bulk_create(
        (decision(clusters[one.node], one, at) for one, at in zip(settled, moments, strict=True)),
        batch_size=5000,
    )
    places = {position: clusters[one.node] for one in planned for position in one.positions.tolist()}
    said = {position: bool(truth[position]) for position in sorted(asked)}
    ask(tree, project, places, said)
    judge(tree, project, people, said, rng)


def search(ground: Ground, truth: np.ndarray, answers: int) -> tuple[list[Planned], set[int]]:
    """The clusters of a search, and the positions that were answered by then."""
    said = Answers({}, {})
    waiting = sorted(ground.candidates(below=None), key=ground.tree.mean)
    planned: list[Planned] = []
    while waiting:
        node = waiting.pop()
        if len(said.labels) < answers:
            for at in ground.sample(node).tolist():
                said.labels[at] = bool(truth[at])
                said.judgments[at] = [Judgment(0, says_yes=said.labels[at])]
        here = weigh(ground, node, said)
        planned.append(here)
        if here.verdict is Verdict.SPLIT:
            waiting += ground.candidates(below=node)
    return planned, set(said.labels)


def cluster(tree: Tree, ground: Ground, planned: Planned) -> Cluster:
    """Its row."""
    node, mean = planned.node, float(ground.tree.mean(planned.node))
    return Cluster(
        tree=tree, node=node, lo=int(ground.tree.lo[node]), hi=int(ground.tree.hi[node]), mean_score=mean,
        priority=mean, sample_size=len(planned.positions), is_open=planned.is_open, opened_at=NOON,
    )  # fmt: skip


def decision(of: Cluster, planned: Planned, at: datetime) -> Decision:
    """What the answers made of a cluster."""
    evidence = planned.evidence
    return Decision(
        cluster=of, tree_id=of.tree_id, interval=(of.lo, of.hi), verdict=planned.verdict.value,
        rule="curtailed", yes=evidence.yes, no=evidence.no, sample=evidence.sample, at=at,
    )  # fmt: skip


QUESTIONS = (
    "verification_question (project_id, category_id, mask_id, tree_id, position, cluster_id, rank, turn,"
    " priority, wanted, taken)"
)
ITEMS = "verification_item (assignment_id, index, question_id, key)"
JUDGMENTS = (
    "verification_judgment"
    " (question_id, tree_id, worker_id, item_id, says, of_gold, elapsed_ms, at, retracted_because)"
)


def ask(tree: Tree, project: Project, places: dict[int, Cluster], said: dict[int, bool]) -> None:
    """Questions about the samples; those of open clusters wait for an answer."""
    masks = dict(Mask.objects.filter(tree=tree, position__in=list(places)).values_list("position", "pk"))
    copy(
        QUESTIONS,
        (
            (project.pk, tree.category_id, masks[at], tree.pk, at, of.pk, 0, 0, of.priority,
             int(of.is_open and at not in said), 0)
            for at, of in places.items()
        ),
    )  # fmt: skip


def judge(
    tree: Tree, project: Project, people: Sequence[int], said: dict[int, bool], rng: np.random.Generator
) -> None:
    """HITs of the answered questions, with their items and judgments."""
    questions = dict(Question.objects.filter(tree=tree).values_list("position", "pk"))
    hits = Assignment.objects.bulk_create(
        Assignment(
            project=project, worker_id=people[n % PEOPLE], opened_at=NOON, expires_at=NOON, finished_at=NOON
        )
        for n in range(-(-len(said) // HIT))
    )
    given = [(hits[n // HIT], n % HIT, questions[at], yes) for n, (at, yes) in enumerate(said.items())]
    copy(ITEMS, ((hit.pk, index, question, uuid4()) for hit, index, question, _ in given))
    items = dict(Item.objects.filter(question__tree=tree).values_list("question", "pk"))
    moments = np.sort(rng.integers(0, LASTING, len(given))).tolist()
    copy(
        JUDGMENTS,
        (
            (question, tree.pk, hit.worker_id, items[question], "yes" if yes else "no", False, 1400,
             NOON + timedelta(seconds=at), "")
            for (hit, _, question, yes), at in zip(given, moments, strict=True)
        ),
    )  # fmt: skip


def copy(into: str, rows: Iterator[tuple[object, ...]]) -> None:
    """Write rows by COPY."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as target:
        for row in rows:
            target.write_row(row)


def overrule(project: Project) -> None:
    """Some verdicts by hand, on clusters and on masks."""
    by = User.objects.create_superuser("admin")
    for tree in Tree.objects.filter(round__project=project).defer("packed")[:20]:
        some = Decision.objects.filter(tree=tree, verdict="accept").order_by("pk")[:2]
        for node in [one.cluster.node + 1 for one in some.select_related("cluster")]:
            overruling.overrule(tree=tree, node=node, verdict="reject", reason="seen by eye", by=by, at=NOON)
