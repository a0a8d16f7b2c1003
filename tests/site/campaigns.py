"""Campaigns for tests: trees whose masks are known to be right or wrong, people who answer by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import numpy as np
from django.db import connection, connections
from numpy.typing import NDArray

from annotation_site.catalog.models import Category, Image, Mask, Project, Role, Round, Tree
from annotation_site.people.members import invite
from annotation_site.people.models import GoldItem, Membership
from annotation_site.people.standing import Record
from annotation_site.verification.answering import Answer, record_answer
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment, Decision, Item, Says
from annotation_site.verification.opening import open_campaign
from annotation_site.verification.records import records_of
from tests.factories import NOON, CategoryFactory, ImageFactory, ProjectFactory, RoundFactory, rectangle
from tests.pipeline.made_trees import random_tree_of_halves

T = TypeVar("T")
SECOND = timedelta(seconds=1)


@dataclass
class Clock:
    """A clock that goes on, by a second, each time it is read."""

    now: datetime = NOON
    step: timedelta = SECOND

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


def project_with_tree(
    correct: Sequence[bool] | NDArray[np.bool_],
    *,
    scores: NDArray[np.floating] | None = None,
    gold: int = 0,
    **parameters: Any,
) -> Project:
    """A project of one category whose balanced tree joins neighbours; `correct` is in leaf order.

    Without `scores` all masks have 0.9, so that the search begins with one cluster, the root.
    """
    project = ProjectFactory(**parameters)
    round_ = RoundFactory(project=project, number=1)
    add_tree(round_, correct, scores=np.full(len(correct), 0.9) if scores is None else scores)
    add_gold(project, gold)
    return project


def project_with_clusters(
    quality: Sequence[float], *, size: int = 32, gold: int = 0, seed: int = 3, **parameters: Any
) -> Project:
    """A project whose search begins with one cluster of `size` masks for each share of correct ones.

    Between any two there are as many masks of a low score, which nobody is asked about.
    """
    rng = np.random.default_rng(seed)
    asked = np.repeat(np.tile([True, False], len(quality)), size)
    correct = rng.random(len(asked)) < np.repeat(np.repeat(quality, 2), size)
    return project_with_tree(correct, scores=np.where(asked, 0.9, 0.1), gold=gold, **parameters)


def add_tree(
    round_: Round,
    correct: Sequence[bool] | NDArray[np.bool_],
    *,
    scores: NDArray[np.floating],
    category: Category | None = None,
    seed: int = 7,
) -> Tree:
    """The balanced tree over masks whose IoU is 0.9 or 0.3, and their rows."""
    dendrogram = random_tree_of_halves(scores)
    tree = Tree.objects.create(
        round=round_,
        category=category or CategoryFactory(project=round_.project),
        role=Role.POOL,
        n=dendrogram.n,
        linkage="complete",
        seed=seed,
        packed=dendrogram.to_bytes(),
    )
    image: Image = ImageFactory(project=round_.project)
    counts = rectangle(10, 8, 20, 16)
    Mask.objects.bulk_create(
        Mask(
            tree=tree, position=position, image=image, x=10, y=8, width=20, height=16, counts=counts,
            class_score=score, predicted_iou=1.0, score=score, iou=0.9 if right else 0.3,
        )
        for position, (right, score) in enumerate(zip(correct, scores.tolist(), strict=True))
    )  # fmt: skip
    return tree


def record_of(member: Membership) -> Record:
    """What a member's work amounts to, counted now."""
    return records_of([member.pk])[member.pk]


def add_gold(project: Project, count: int) -> None:
    """Gold about the project's first category, every other one a correct mask."""
    if not count:
        return
    image = ImageFactory(project=project, role=Role.HELDOUT)
    category = project.categories.first()
    GoldItem.objects.bulk_create(
        GoldItem(
            project=project, category=category, image=image, x=10, y=8, width=20, height=16,
            counts=rectangle(10, 8, 20, 16), origin=GoldItem.Origin.ANNOTATION, source_id=number,
            iou=0.95 if number % 2 else 0.4, is_correct=bool(number % 2),
        )
        for number in range(count)
    )  # fmt: skip


def opened(project: Project) -> Project:
    """The project with its campaign open."""
    open_campaign(project=project, at=NOON)
    return project


def truth(item: Item) -> Says:
    """What someone who never errs says of an item."""
    question = item.question
    right = question.gold.is_correct if question.gold else question.mask.iou >= 0.75
    return Says.YES if right else Says.NO


@dataclass
class Person:
    """A worker who answers HIT after HIT."""

    member: Membership
    clock: Clock = field(default_factory=Clock)
    says: Callable[[Item], Says] = truth

    @classmethod
    def of(cls, project: Project, name: str = "Ada", **kwargs: Any) -> Person:
        return cls(invite(project=project, name=name), **kwargs)

    def open(self, seed: int = 0) -> Assignment:
        return claim_hit(membership=self.member, at=self.clock(), rng=np.random.default_rng(seed))

    def answer(self, item: Item, says: Says | None = None) -> Answer:
        return record_answer(
            item_key=item.key,
            assignment_id=item.assignment_id,
            says=says or self.says(item),
            elapsed_ms=1400,
            at=self.clock(),
        )

    def work(self) -> list[Answer]:
        """Open a HIT and answer all of it."""
        return [self.answer(item) for item in items(self.open())]


def items(assignment: Assignment) -> list[Item]:
    """The items of a HIT in order, with what they are about."""
    return list(assignment.items.select_related("question__mask", "question__gold").order_by("index"))


def masks_only(assignment: Assignment) -> list[Item]:
    """The items of a HIT that are no gold."""
    return [item for item in items(assignment) if item.question.mask_id]


def standing(project: Project) -> dict[tuple[int, int], str]:
    """(lo, hi) -> verdict of the decisions in force."""
    found = Decision.objects.filter(tree__round__project=project, withdrawn_at__isnull=True)
    return {(d.interval.lower, d.interval.upper): d.verdict for d in found}


def together(jobs: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """Run jobs at the same time, each on a connection of its own; their results or exceptions."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        futures: list[Future[T]] = [pool.submit(on_own_connection, job) for job in jobs]
        return [future.exception() or future.result() for future in futures]


def on_own_connection(job: Callable[[], T]) -> T:
    """Run a job in a thread of its own, whose connection ends with it."""
    try:
        return job()
    finally:
        connections.close_all()


def until_waiting(count: int) -> None:
    """Wait until so many connections wait for a lock."""
    while waiting() < count:
        pass


def waiting() -> int:
    """How many connections wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """The statements that run inside."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements
