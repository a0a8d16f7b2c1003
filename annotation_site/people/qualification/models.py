"""Consent, lessons and attempts at the test: facts that are only added to."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from annotation_site.catalog.models import SHARE, Category, Image, OutlinedObject, Project
from annotation_site.people.models import GoldItem, Membership


class ConsentText(models.Model):
    """What a project's workers agree to; the latest is in force. Empty: the text that comes with the site."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="consent_texts")
    text = models.TextField(blank=True)
    at = models.DateTimeField()


class Consent(models.Model):
    """A worker agreed to a text, word by word as they saw it."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="consents")
    version = models.CharField(max_length=64, help_text="Which text it was, in whatever language.")
    text = models.TextField()
    language = models.CharField(max_length=10)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["membership", "version"], name="one_consent_per_text"),
        ]


class LessonQuerySet(models.QuerySet["Lesson"]):
    """Lessons by what they are for."""

    def examples(self) -> Self:
        """Those that the instructions show."""
        return self.filter(is_example=True, left_out_at__isnull=True)

    def of_test(self) -> Self:
        """Those that the test may ask."""
        return self.filter(is_example=False, left_out_at__isnull=True)


class Lesson(OutlinedObject):
    """A mask whose answer is told: an example of the instructions, or a question of the test.

    Its image serves no gold: what a worker learnt by is never asked to find out whether they look.
    """

    objects = LessonQuerySet.as_manager()

    Origin = GoldItem.Origin

    project = models.ForeignKey(Project, models.CASCADE, related_name="lessons")
    category = models.ForeignKey(Category, models.CASCADE, related_name="lessons")
    image = models.ForeignKey(Image, models.CASCADE, related_name="lessons")
    origin = models.CharField(max_length=16, choices=Origin.choices)
    iou = models.FloatField(help_text="With the ground truth; 0 where the category is wrong.")
    is_correct = models.BooleanField(help_text="The right answer.")
    source_id = models.BigIntegerField(help_text="The annotation that it was made of.")
    is_example = models.BooleanField(help_text="Shown in the instructions; the others are asked in the test.")
    key = models.UUIDField(unique=True, default=uuid.uuid4, help_text="The address of an example's crop.")
    left_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "origin", "source_id"], name="one_lesson_per_source"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "is_example", "is_correct"], name="lessons_by_use"),
        ]


class QualificationPolicy(models.Model):
    """The test of a project's newcomers."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="qualification")
    questions = models.PositiveSmallIntegerField(
        default=10, validators=[MaxValueValidator(50)], help_text="Of the test; 0: none is asked."
    )
    pass_mark = models.FloatField(default=0.8, validators=SHARE, help_text="Share of right answers needed.")
    attempts = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    version = models.PositiveIntegerField(default=1, help_text="Grows when everyone is to be asked again.")


class Vouching(models.Model):
    """An admin vouches for a worker, who need not pass the test."""

    membership = models.OneToOneField(Membership, models.CASCADE, related_name="vouching")
    reason = models.CharField(max_length=200)
    at = models.DateTimeField()


class Attempt(models.Model):
    """A worker takes the test. `passed` is empty until every question is answered."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="attempts")
    version = models.PositiveIntegerField(help_text="The policy's.")
    number = models.PositiveSmallIntegerField(help_text="1, 2, … within the version.")
    pass_mark = models.FloatField(validators=SHARE)
    opened_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    passed = models.BooleanField(null=True, blank=True)
    right = models.PositiveSmallIntegerField(null=True, blank=True)
    seen = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Questions that count: all but those whose photo could not be read."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["membership", "version", "number"], name="attempts_are_numbered"),
            models.UniqueConstraint(
                fields=["membership", "version"],
                condition=Q(finished_at__isnull=True),
                name="one_open_attempt_per_worker",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, passed__isnull=True)
                | Q(finished_at__isnull=False, passed__isnull=False, right__lte=F("seen")),
                name="finished_attempts_have_a_result",
            ),
        ]


class AttemptItem(models.Model):
    """A lesson's place in an attempt, and the answer. `key` is all that a page or a URL says of it."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="items", db_index=False)
    index = models.PositiveSmallIntegerField()
    lesson = models.ForeignKey(Lesson, models.CASCADE, related_name="items")
    key = models.UUIDField(unique=True, default=uuid.uuid4)
    says = models.CharField(max_length=6, blank=True, help_text="yes, no, unsure; empty: not answered.")
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    unseen_at = models.DateTimeField(null=True, blank=True, help_text="When its photo could not be read.")

    class Meta:
        ordering: ClassVar = ["attempt", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "index"], name="one_question_per_place_of_a_test"),
            models.UniqueConstraint(fields=["attempt", "lesson"], name="a_lesson_once_per_attempt"),
        ]

    @property
    def is_right(self) -> bool:
        """Whether the answer is the right one; "cannot tell" is not, as the answer could be told."""
        return self.says == ("yes" if self.lesson.is_correct else "no")
