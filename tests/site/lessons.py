"""Projects with a test, and people who take it."""

from __future__ import annotations

from annotation_site.catalog.models import Project, Role
from annotation_site.people.models import Membership
from annotation_site.people.qualification import attempts
from annotation_site.people.qualification.models import Attempt, AttemptItem, Lesson
from tests.factories import NOON, ImageFactory, LessonFactory


def add_lessons(project: Project, *, right: int = 10, wrong: int = 10) -> list[Lesson]:
    """Questions of the test about the project's first category."""
    image = ImageFactory(project=project, role=Role.HELDOUT)
    category = project.categories.first()
    sides = [True] * right + [False] * wrong
    return [LessonFactory(image=image, category=category, is_correct=side) for side in sides]


def asked(attempt: Attempt) -> list[AttemptItem]:
    return list(attempt.items.select_related("lesson").order_by("index"))


def truth(item: AttemptItem) -> str:
    return "yes" if item.lesson.is_correct else "no"


def take(member: Membership, *, wrong: int = 0) -> Attempt:
    """Take the test with so many wrong answers."""
    attempt = attempts.begin_attempt(membership=member, at=NOON)
    for index, item in enumerate(asked(attempt)):
        says = truth(item) if index >= wrong else {"yes": "no", "no": "yes"}[truth(item)]
        attempts.answer(membership=member, key=item.key, says=says, elapsed_ms=900, at=NOON)
    attempt.refresh_from_db()
    return attempt
