"""Who must pass the test before they answer, and whether there is a test at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q

from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification.models import (
    Attempt,
    Lesson,
    QualificationPolicy,
    Vouching,
)
from annotation_site.people.standing import change_standing


class NotQualified(Exception):
    """The worker has not passed the test; the message may be shown to them."""

    def __init__(self, *, left: int) -> None:
        super().__init__(
            "Take the test first." if left else "The test was not passed, and there is no attempt left."
        )
        self.left = left


class InvalidPolicy(ValueError):
    """A test that nobody could take; the message says why."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a project's test can be asked: as many right as wrong masks are needed, half its questions."""

    questions: int
    right: int
    wrong: int

    @property
    def needed(self) -> int:
        """Of each kind."""
        return -(-self.questions // 2)

    @property
    def is_asked(self) -> bool:
        """Whether newcomers take the test: without enough masks they are let in."""
        return self.questions > 0 and min(self.right, self.wrong) >= self.needed

    @property
    def lacks_masks(self) -> bool:
        """Whether there is a test that cannot be asked."""
        return self.questions > 0 and not self.is_asked


def right_needed(pass_mark: float, questions: int) -> int:
    """Right answers that pass a test of so many questions."""
    return math.ceil(pass_mark * questions - 1e-9)


def policy_of(project: Project) -> QualificationPolicy:
    """The project's policy; the defaults, unsaved, where nobody changed them."""
    found = QualificationPolicy.objects.filter(project=project).first()
    return found or QualificationPolicy(project=project)


def readiness(project: Project, policy: QualificationPolicy | None = None) -> Readiness:
    """The masks that the project's test could ask; `policy` where it is at hand."""
    counts = Lesson.objects.of_test().filter(project=project)
    sides = counts.aggregate(right=Count("pk", filter=Q(is_correct=True)), n=Count("pk"))
    questions = (policy or policy_of(project)).questions
    return Readiness(questions, sides["right"], sides["n"] - sides["right"])


def is_asked(project: Project) -> bool:
    """Whether the project's newcomers take a test."""
    return readiness(project).is_asked


@transaction.atomic
def set_policy(
    *,
    project: Project,
    questions: int | None = None,
    pass_mark: float | None = None,
    attempts: int | None = None,
) -> QualificationPolicy:
    """Change the test; what is left out stays. Another number of questions or pass mark asks everyone again.

    Raises
    ------
    InvalidPolicy
        When a value is out of range.
    """
    policy = _locked(project)
    before = (policy.questions, policy.pass_mark)
    policy.questions = policy.questions if questions is None else questions
    policy.pass_mark = policy.pass_mark if pass_mark is None else pass_mark
    policy.attempts = policy.attempts if attempts is None else attempts
    _check(policy)
    policy.version += (policy.questions, policy.pass_mark) != before
    policy.save()
    return policy


def ask_everyone_again(*, project: Project) -> QualificationPolicy:
    """Make it another test: nobody has passed it, and everyone has all attempts."""
    with transaction.atomic():
        policy = _locked(project)
        policy.version += 1
        policy.save()
    return policy


def vouch(*, membership: Membership, reason: str, at: datetime) -> None:
    """Let a worker in without the test, now and after changes of it; doing so again changes nothing."""
    with transaction.atomic():
        Vouching.objects.get_or_create(membership=membership, defaults={"reason": reason[:200], "at": at})
        _let_in(membership, f"Need not take the test: {reason}", at)


def is_qualified(membership: Membership) -> bool:
    """Whether nothing of the test keeps the worker from answering."""
    policy = policy_of(membership.project)
    return (
        _has_passed(membership, policy)
        or Vouching.objects.filter(membership=membership).exists()
        or not readiness(membership.project, policy).is_asked
    )


def attempts_left(membership: Membership) -> int:
    """Attempts at the present test that the worker may still begin, or go on with."""
    policy = policy_of(membership.project)
    ended = Attempt.objects.filter(membership=membership, version=policy.version, finished_at__isnull=False)
    return max(0, policy.attempts - ended.count())


def admit(*, membership: Membership, at: datetime) -> None:
    """Let a worker to the questions. Who was new and need not pass a test is so no longer.

    Raises
    ------
    NotQualified
        When they have to pass the test first.
    """
    if not is_qualified(membership):
        raise NotQualified(left=attempts_left(membership))
    _let_in(membership, "No test was asked for.", at)


def _let_in(membership: Membership, reason: str, at: datetime) -> None:
    if membership.standing == Standing.NEW:
        change_standing(membership=membership, to=Standing.QUALIFIED, reason=reason, at=at)


def _has_passed(membership: Membership, policy: QualificationPolicy) -> bool:
    return Attempt.objects.filter(membership=membership, version=policy.version, passed=True).exists()


def _locked(project: Project) -> QualificationPolicy:
    QualificationPolicy.objects.get_or_create(project=project)
    return QualificationPolicy.objects.select_for_update(no_key=True).get(project=project)


def _check(policy: QualificationPolicy) -> None:
    if not (policy.questions == 0 or 2 <= policy.questions <= 50):
        raise InvalidPolicy(f"A test has 2 to 50 questions, or 0 for none: {policy.questions} was given.")
    if not 0.5 <= policy.pass_mark <= 1:
        raise InvalidPolicy(f"The pass mark is a share from 0.5 to 1: {policy.pass_mark} was given.")
    if not 1 <= policy.attempts <= 20:
        raise InvalidPolicy(f"There are 1 to 20 attempts: {policy.attempts} was given.")
