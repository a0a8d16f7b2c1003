"""Who answers, and what is known about how well."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q

from annotation_site.catalog.models import SHARE, Category, Image, OutlinedObject, Project


def new_secret() -> str:
    """128 random bits for a link that only its owner knows."""
    return secrets.token_urlsafe(16)


class Worker(models.Model):
    """A person who answers; (provider, external id) is who the marketplace says they are."""

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
    """Whether a worker may answer: newcomers are tested, good ones work, doubtful ones are watched."""

    NEW = "new"
    ACTIVE = "active"
    PROBATION = "probation"
    STOPPED = "stopped"


class Membership(models.Model):
    """A worker on a project. `secret` is the personal link `/w/<secret>/`."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="memberships")
    secret = models.CharField(max_length=40, unique=True, default=new_secret)
    standing = models.CharField(max_length=10, choices=Standing.choices, default=Standing.ACTIVE)
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


class TrustPolicy(models.Model):
    """When a project's workers lose their standing, by their accuracy on gold (upper confidence bounds)."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="trust")
    least_gold = models.PositiveIntegerField(default=10, help_text="Gold answers before anyone is judged.")
    stop_below = models.FloatField(default=0.75, validators=SHARE)
    watch_below = models.FloatField(
        default=0.85, validators=SHARE, help_text="On probation: twice the gold in every HIT."
    )
    retract_stopped = models.BooleanField(
        default=True, help_text="Answers of a worker who is stopped for bad gold stop counting."
    )


class StandingChange(models.Model):
    """Why a standing changed; append-only."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="changes")
    before = models.CharField(max_length=10, choices=Standing.choices)
    after = models.CharField(max_length=10, choices=Standing.choices)
    reason = models.TextField()
    at = models.DateTimeField()


class JoinLink(models.Model):
    """`/join/<code>/`: anyone who has it becomes a worker of the project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="join_links")
    code = models.CharField(max_length=40, unique=True, default=new_secret)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)


class GoldItem(OutlinedObject):
    """A mask with a known answer: an annotation, a held-out prediction, or either spoiled on purpose."""

    class Origin(models.TextChoices):
        ANNOTATION = "annotation"
        PREDICTION = "prediction"
        CUT = "cut"
        GROWN = "grown"
        SHIFTED = "shifted"
        MERGED = "merged"
        WRONG_CATEGORY = "wrong_category"

    project = models.ForeignKey(Project, models.CASCADE, related_name="gold")
    category = models.ForeignKey(Category, models.CASCADE, related_name="gold")
    image = models.ForeignKey(Image, models.CASCADE, related_name="gold")
    origin = models.CharField(max_length=16, choices=Origin.choices)
    iou = models.FloatField(help_text="With the ground truth; 0 where the category is wrong.")
    is_correct = models.BooleanField(help_text="The right answer.")
    source_id = models.BigIntegerField(help_text="The annotation or mask that it was made of.")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "origin", "source_id"], name="one_gold_per_source"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["project", "is_correct"], condition=Q(retired_at__isnull=True), name="gold_in_use"
            ),
        ]
