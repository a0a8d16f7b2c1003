"""Taking the test: a draw of masks, the answers, the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Count

from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification import policy
from annotation_site.people.qualification.models import Attempt, AttemptItem, Lesson, QualificationPolicy
from annotation_site.people.qualification.policy import NotQualified
from annotation_site.people.qualification.signals import passed
from annotation_site.people.standing import WorkerStopped, change_standing, hold_membership

SAYS = ("yes", "no", "unsure")


class NothingToPass(Exception):
    """The worker need not take the test: it was passed, or is not asked for."""


class UnknownTestItem(Exception):
    """No question of a test of this worker has that key."""


class TestOver(Exception):
    """The attempt has its result: nothing about it changes any more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is left of an attempt after an answer."""

    remaining: int


def begin_attempt(*, membership: Membership, at: datetime, rng: np.random.Generator | None = None) -> Attempt:
    """The attempt that the worker is at, or the next one, by other masks as far as there are any.

    Raises
    ------
    WorkerStopped, NothingToPass
        When there is no test to take.
    NotQualified
        When no attempt is left.
    """
    with transaction.atomic():
        if hold_membership(membership) == Standing.STOPPED:
            raise WorkerStopped("You cannot take more work on this project.")
        if policy.is_qualified(membership):
            raise NothingToPass("There is no test for you to take.")
        rules = policy.policy_of(membership.project)
        before = Attempt.objects.filter(membership=membership, version=rules.version)
        begun = before.filter(finished_at__isnull=True).first()
        if begun is not None:
            return begun
        if before.count() >= rules.attempts:
            raise NotQualified(left=0)
        return _open(membership, rules, before.count() + 1, at, rng or np.random.default_rng())


def latest_result(membership: Membership) -> Attempt | None:
    """The attempt that the worker finished last."""
    return (
        Attempt.objects.filter(membership=membership, passed__isnull=False).order_by("-finished_at").first()
    )


def open_attempt(membership: Membership) -> Attempt | None:
    """The attempt at the present test that the worker has begun and not finished."""
    version = policy.policy_of(membership.project).version
    mine = Attempt.objects.filter(membership=membership, version=version, finished_at__isnull=True)
    return mine.first()


def answer(*, membership: Membership, key: UUID, says: str, elapsed_ms: int, at: datetime) -> Progress:
    """Note an answer; the last one ends the attempt. The first to a question stands until it is undone.

    Raises
    ------
    UnknownTestItem, ValueError
        When there is no such question, or no such answer.
    """
    if says not in SAYS:
        raise ValueError(f"An answer is one of {', '.join(SAYS)}, not {says!r}.")
    with transaction.atomic():
        attempt, item = _held(membership, key)
        if attempt.passed is None and not item.says:
            AttemptItem.objects.filter(pk=item.pk).update(says=says, elapsed_ms=elapsed_ms, answered_at=at)
        return _ended_or_left(membership, attempt, at)


def undo(*, membership: Membership, key: UUID) -> Progress:
    """Take an answer back.

    Raises
    ------
    UnknownTestItem
    TestOver
        When that was the last question of the test: it has its result.
    """
    with transaction.atomic():
        attempt, item = _held(membership, key)
        if attempt.passed is not None:
            raise TestOver("The test is over: its answers stand.")
        AttemptItem.objects.filter(pk=item.pk).update(says="", elapsed_ms=None, answered_at=None)
        return Progress(attempt.items.filter(says="").count())


def note_unseen(key: UUID, *, at: datetime, for_good: bool) -> None:
    """The photo of a question could not be read: it does not count; `for_good`: nor is it asked again."""
    with transaction.atomic():
        AttemptItem.objects.filter(key=key, unseen_at__isnull=True, attempt__passed__isnull=True).update(
            unseen_at=at
        )
        if for_good:
            Lesson.objects.filter(items__key=key, left_out_at__isnull=True).update(left_out_at=at)


def draw(
    lessons: Iterable[Lesson], *, count: int, seen: dict[int, int], rng: np.random.Generator
) -> list[Lesson]:
    """Half right masks and half wrong ones, each half those that the worker saw least, in mixed order.

    Of an odd number the one left over is either. Other ways of being wrong, and other objects, come before
    the same ones again.
    """
    pool = list(lessons)
    shuffled = [pool[place] for place in rng.permutation(len(pool)).tolist()]
    more = int(rng.integers(2))
    wanted = {True: (count + more) // 2, False: (count + 1 - more) // 2}
    chosen: list[Lesson] = []
    for is_correct, number in wanted.items():
        side = [lesson for lesson in shuffled if lesson.is_correct == is_correct]
        for _ in range(min(number, len(side))):
            best = min(side, key=lambda lesson: _stale(lesson, chosen, seen))
            chosen.append(best)
            side.remove(best)
    return [chosen[place] for place in rng.permutation(len(chosen)).tolist()]


def _stale(lesson: Lesson, chosen: Sequence[Lesson], seen: dict[int, int]) -> tuple[int, ...]:
    """How little a lesson adds: seen before; its object, kind and category in the draw so often already."""
    same_object = sum(other.source_id == lesson.source_id for other in chosen)
    same_kind = sum(
        (other.origin, other.is_correct) == (lesson.origin, lesson.is_correct) for other in chosen
    )
    same_category = sum(other.category_id == lesson.category_id for other in chosen)
    return (seen.get(lesson.pk, 0), same_object, same_kind, same_category)


def _open(
    membership: Membership,
    rules: QualificationPolicy,
    number: int,
    at: datetime,
    rng: np.random.Generator,
) -> Attempt:
    """The attempt, with its questions drawn."""
    asked = AttemptItem.objects.filter(attempt__membership=membership)
    seen = dict(asked.values_list("lesson").annotate(n=Count("pk")).order_by())
    pool = Lesson.objects.of_test().filter(project=membership.project_id).defer("counts").order_by("pk")
    drawn = draw(pool, count=rules.questions, seen=seen, rng=rng)
    attempt = Attempt.objects.create(
        membership=membership,
        version=rules.version,
        number=number,
        pass_mark=rules.pass_mark,
        opened_at=at,
    )
    AttemptItem.objects.bulk_create(
        AttemptItem(attempt=attempt, index=index, lesson=lesson) for index, lesson in enumerate(drawn)
    )
    return attempt


def _held(membership: Membership, key: UUID) -> tuple[Attempt, AttemptItem]:
    """A question of the worker's, and its attempt for this transaction alone."""
    membership.standing = hold_membership(membership)
    items = AttemptItem.objects.select_related("attempt").filter(attempt__membership=membership)
    found = items.filter(key=key).first()
    if found is None:
        raise UnknownTestItem("No question of your test has that key.")
    return found.attempt, found


def _ended_or_left(membership: Membership, attempt: Attempt, at: datetime) -> Progress:
    left = attempt.items.filter(says="").count()
    if left == 0 and attempt.passed is None:
        _end(membership, attempt, at)
    return Progress(left)


def _end(membership: Membership, attempt: Attempt, at: datetime) -> None:
    seen = attempt.items.filter(unseen_at__isnull=True)
    counted = list(seen.select_related("lesson").defer("lesson__counts"))
    right = sum(item.is_right for item in counted)
    attempt.finished_at, attempt.right, attempt.seen = at, right, len(counted)
    attempt.passed = bool(counted) and right >= policy.right_needed(attempt.pass_mark, len(counted))
    attempt.save()
    if attempt.passed:
        _passed(membership, attempt, at)


def _passed(membership: Membership, attempt: Attempt, at: datetime) -> None:
    if membership.standing == Standing.NEW:
        reason = f"Passed the test: {attempt.right} of {attempt.seen} right."
        change_standing(membership=membership, to=Standing.QUALIFIED, reason=reason, at=at)
    transaction.on_commit(
        lambda: passed.send_robust(Attempt, membership=membership, attempt=attempt, at=at), robust=True
    )
