"""Who answers, and what is known about how well."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from annotation_site.catalog.models import SHARE, Category, Image, OutlinedObject, Project


def new_secret() -> str:
    """128 random bits for a link that only its owner knows."""
    return secrets.token_urlsafe(16)


class Worker(models.Model):
    """A person who answers; (provider, external id) is who the marketplace says they are."""

    SIMULATED: ClassVar = "simulated"
    """The provider of those who are programs, and whose seconds are not the site's."""

    provider = models.CharField(max_length=20, default="link")
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "external_id"], name="one_worker_per_identity"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.provider}:{self.external_id}"


class Standing(models.TextChoices):
    """Whether a worker may answer, and how far they are known."""

    NEW = "new", "new (not tested yet)"
    QUALIFIED = "qualified", "qualified (may work, not proven yet)"
    ACTIVE = "active", "active (proven)"
    PROBATION = "probation", "on probation (doubtful: twice the gold)"
    STOPPED = "stopped"


class Membership(models.Model):
    """A worker on a project. `secret` is the personal link `/w/<secret>/`."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="memberships")
    secret = models.CharField(max_length=40, unique=True, default=new_secret)
    standing = models.CharField(max_length=10, choices=Standing.choices, default=Standing.QUALIFIED)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "worker"], name="one_membership_per_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} on {self.project}"

    @property
    def address(self) -> str:
        """What stands for the member in the addresses of their pages: how they came, else the secret."""
        came_by: str = self.__dict__.get("came_by", self.secret)
        return came_by


class WorkRecord(models.Model):
    """What a member's work amounts to, the same wherever it is told; derived, to list and sort by.

    As of the end of their latest HIT, or of a minute ago in one that goes on; see `verification.keeping`.
    """

    membership = models.OneToOneField(Membership, models.CASCADE, primary_key=True, related_name="record")
    answers = models.PositiveIntegerField(default=0, help_text="Given; those that stopped counting, too.")
    gold_right = models.PositiveIntegerField(default=0)
    gold_wrong = models.PositiveIntegerField(default=0)
    gold_at_least = models.FloatField(
        null=True, blank=True, help_text="The accuracy surpassed with 95 % confidence; empty before any gold."
    )
    agreed = models.PositiveIntegerField(default=0)
    shared = models.PositiveIntegerField(default=0, help_text="Answers that can be compared with others'.")
    look_ms = models.FloatField(null=True, blank=True, help_text="The middle one of the latest answers.")
    clock_ms = models.FloatField(null=True, blank=True, help_text="The same by the site's own clock.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="The last answer.")
    doubt = models.TextField(
        blank=True, help_text="Why it is doubtful that the site stopped them; empty: it is not."
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["membership"], condition=~Q(doubt=""), name="doubtful_stops"),
        ]

    @property
    def gold_answered(self) -> int:
        return self.gold_right + self.gold_wrong

    @property
    def gold_accuracy(self) -> float | None:
        """Share of gold answered right; None before any."""
        return self.gold_right / self.gold_answered if self.gold_answered else None

    @property
    def agreement(self) -> float | None:
        """Share of the comparable answers that say what the others mostly say; None without any."""
        return self.agreed / self.shared if self.shared else None


class TrustPolicy(models.Model):
    """When a project's workers lose their standing: by gold, by agreement with others, by speed."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="trust")
    least_gold = models.PositiveIntegerField(default=10, help_text="Gold answers before anyone is judged.")
    stop_below = models.FloatField(default=0.75, validators=SHARE, help_text="Share of gold answered right.")
    watch_below = models.FloatField(
        default=0.85, validators=SHARE, help_text="On probation: twice the gold in every HIT."
    )
    least_shared = models.PositiveIntegerField(
        default=40, help_text="Answers that can be compared with others' before agreement is judged."
    )
    stop_agreeing_below = models.FloatField(
        default=0.65, validators=SHARE, help_text="Of how often the others agree among themselves."
    )
    watch_agreeing_below = models.FloatField(default=0.8, validators=SHARE)
    least_timed = models.PositiveIntegerField(default=40, help_text="Answers before speed is judged.")
    stop_faster_ms = models.PositiveIntegerField(
        default=250, help_text="Milliseconds for a mask, the middle one of the latest answers."
    )
    watch_faster_ms = models.PositiveIntegerField(default=400)
    check_clock = models.BooleanField(
        default=True, help_text="Speed by the site's own clock as well, which no page can lie about."
    )
    retract_stopped = models.BooleanField(
        default=True, help_text="Answers of a worker whom the site stops do not count any more."
    )
    most_left = models.PositiveSmallIntegerField(
        default=3,
        validators=[MaxValueValidator(8)],
        help_text="Pages in a row left untouched, before their worker waits for the next; 0: nobody waits.",
    )
    left_wait_minutes = models.PositiveIntegerField(
        default=30,
        validators=[MaxValueValidator(1440)],
        help_text="That wait, doubled with every further page left; a day at most.",
    )


class StandingChange(models.Model):
    """Why a standing changed, or what a person noted of a worker whose standing stayed; append-only."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="changes")
    before = models.CharField(max_length=10, choices=Standing.choices)
    after = models.CharField(max_length=10, choices=Standing.choices)
    reason = models.TextField()
    by = models.CharField(max_length=150, blank=True, help_text="Who did it; empty: the site itself.")
    at = models.DateTimeField()

    @property
    def is_note(self) -> bool:
        """Whether nothing changed."""
        return self.before == self.after


class JoinLink(models.Model):
    """`/join/<code>/`: anyone who has it becomes a worker of the project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="join_links")
    code = models.CharField(max_length=40, unique=True, default=new_secret)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)


class GoldItem(OutlinedObject):
    """A mask with a known answer: of a held-out image, maybe spoiled; marked by an admin; or agreed on."""

    class Origin(models.TextChoices):
        ANNOTATION = "annotation"
        PREDICTION = "prediction"
        CUT = "cut"
        GROWN = "grown"
        SHIFTED = "shifted"
        MERGED = "merged"
        WRONG_CATEGORY = "wrong_category"
        MARKED = "marked", "marked by an admin"
        AGREED = "agreed", "agreed on by proven workers"

    project = models.ForeignKey(Project, models.CASCADE, related_name="gold")
    category = models.ForeignKey(Category, models.CASCADE, related_name="gold")
    image = models.ForeignKey(Image, models.CASCADE, related_name="gold")
    origin = models.CharField(max_length=16, choices=Origin.choices)
    iou = models.FloatField(help_text="With the ground truth; 0 where the category is wrong.")
    is_correct = models.BooleanField(help_text="The right answer.")
    source_id = models.BigIntegerField(help_text="The annotation or mask that it was made of.")
    added_by = models.CharField(max_length=150, blank=True, help_text="Who marked it; empty: the site.")
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "origin", "source_id"], name="one_gold_per_source"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["project", "is_correct"], condition=Q(retired_at__isnull=True), name="gold_in_use"
            ),
        ]
