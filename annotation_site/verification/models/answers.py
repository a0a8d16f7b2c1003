"""Who holds which questions, and what they answered."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from annotation_site.catalog.models import Project, Tree
from annotation_site.people.models import Worker
from annotation_site.verification.models.questions import Question


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Assignments by what can still become of them."""

    def live(self) -> Self:
        """Neither finished nor released; the lease may have run out without anyone having swept it."""
        return self.filter(finished_at__isnull=True, released_at__isnull=True)


class Assignment(models.Model):
    """One worker's lease on a HIT; expires, keeps the judgments given so far."""

    objects = AssignmentQuerySet.as_manager()

    project = models.ForeignKey(Project, models.CASCADE, related_name="assignments")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="assignments", db_index=False)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Every item answered.")
    released_at = models.DateTimeField(
        null=True, blank=True, help_text="Expired or given back before the end."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "worker"],
                condition=Q(finished_at__isnull=True, released_at__isnull=True),
                name="one_live_assignment_per_worker",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                condition=Q(finished_at__isnull=True, released_at__isnull=True),
                name="leases_to_sweep",
            ),
            models.Index(fields=["worker", "project", "-id"], name="latest_pages_of_worker"),
        ]

    @property
    def is_live(self) -> bool:
        return self.finished_at is None and self.released_at is None

    @property
    def reference(self) -> str:
        """What the ledger calls it."""
        return f"assignment:{self.pk}"


class ItemQuerySet(models.QuerySet["Item"]):
    """Items by whether they are answered."""

    def unanswered(self) -> Self:
        """Those without a standing judgment."""
        return self.filter(~Exists(Judgment.objects.counting().filter(item=OuterRef("pk"))))


class Item(models.Model):
    """A question's place in an assignment. `key` is all that a page, a URL or a response says of it."""

    objects = ItemQuerySet.as_manager()

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="items", db_index=False)
    index = models.PositiveSmallIntegerField()
    question = models.ForeignKey(Question, models.CASCADE, related_name="items")
    key = models.UUIDField(unique=True, default=uuid.uuid4)
    unseen_at = models.DateTimeField(
        null=True, blank=True, help_text="When its photo could not be read: the worker had nothing to judge."
    )

    class Meta:
        ordering: ClassVar = ["assignment", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "index"], name="one_item_per_place"),
            models.UniqueConstraint(fields=["assignment", "question"], name="a_question_once_per_hit"),
        ]

    @property
    def reference(self) -> str:
        """What the ledger calls it when it was answered after its assignment had ended."""
        return f"item:{self.pk}"


class Says(models.TextChoices):
    """A worker's answer."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure", "cannot tell"


SET_ASIDE = "reopened by hand"
"""How the reason of a judgment begins that an admin set aside to have its mask asked about again."""
UNCONFIRMED = "the marketplace never said that this worker held a place"
"""Why judgments are retracted that nobody vouched for; they count again when somebody does."""
UNDONE = "undone by the worker"
"""Why a judgment is retracted that its worker took back."""


class JudgmentQuerySet(models.QuerySet["Judgment"]):
    """Judgments by what they still mean: masks rest on those that count, cost on those that were given."""

    def counting(self) -> Self:
        """Those that decisions rest on: neither undone nor discarded later."""
        return self.filter(retracted_at__isnull=True)

    def given(self) -> Self:
        """The work that people did: also what was discarded later, not what they themselves took back."""
        return self.exclude(retracted_because=UNDONE)


class Judgment(models.Model):
    """One worker's answer. Retracted (undone, or its worker lost their standing), never deleted."""

    objects = JudgmentQuerySet.as_manager()

    question = models.ForeignKey(Question, models.CASCADE, related_name="judgments")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="judgments", db_index=False)
    item = models.ForeignKey(Item, models.CASCADE, related_name="judgments", db_index=False)
    tree = models.ForeignKey(
        Tree, models.CASCADE, null=True, blank=True, related_name="judgments", db_index=False,
        help_text="The question's; none for gold.",
    )  # fmt: skip
    says = models.CharField(max_length=6, choices=Says.choices)
    of_gold = models.BooleanField(default=False, help_text="The right answer was known.")
    elapsed_ms = models.PositiveIntegerField(help_text="Time the mask was visible and in focus.")
    at = models.DateTimeField()
    retracted_at = models.DateTimeField(null=True, blank=True)
    retracted_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(retracted_at__isnull=True), name="one_judgment_per_item"
            ),
            # Gold may come to the same worker again once they have seen all there is.
            models.UniqueConstraint(
                fields=["question", "worker"],
                condition=Q(retracted_at__isnull=True, of_gold=False),
                name="one_judgment_per_worker",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["worker", "at"], name="judgments_by_worker"),
            # Without it, each item of a project that is deleted would have all judgments looked through.
            models.Index(fields=["item"], name="judgments_by_item"),
            models.Index(fields=["worker"], condition=Q(of_gold=True), name="gold_answers"),
            # A tree has many questions that nobody has answered yet.
            models.Index(fields=["tree"], condition=Q(tree__isnull=False), name="answers_of_tree"),
        ]
