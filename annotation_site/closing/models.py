"""What stays of a project that is deleted. Nothing here refers to it: its row is gone in the end."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from annotation_site.catalog.claims import Kind
from annotation_site.catalog.jobs import Job


class Deletion(Job):
    """A project that was deleted, or is being: how far that is, and afterwards its closing statement."""

    CLAIM = Kind.DELETION
    DEADLY = "Look into the workers' log. Nothing is half done: it goes on with what is left."

    project = models.BigIntegerField(
        unique=True, help_text="Its number, by which the ledger and the log of changes know it."
    )
    slug = models.CharField(max_length=80)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    owners = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="+", help_text="They may read what stays, beside superusers."
    )
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    keeps_answers = models.BooleanField(help_text="Whether the answer log is kept with the statement.")
    answers = models.CharField(max_length=300, blank=True, help_text="The log, in the artifacts storage.")

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"deletion of {self.name}"


class StatementLine(models.Model):
    """What one worker did on a project, and got for it, as of its end."""

    deletion = models.ForeignKey(Deletion, models.PROTECT, related_name="lines")
    worker = models.BigIntegerField(
        null=True, blank=True, help_text="Their number, as in the ledger; empty where that names nobody."
    )
    name = models.CharField(max_length=120, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    questions = models.BigIntegerField(help_text="Answers that were settled.")
    earned = models.DecimalField(
        max_digits=14, decimal_places=4, help_text="By the ledger: pay and bonuses, without fees."
    )
    fees = models.DecimalField(max_digits=14, decimal_places=4, help_text="The marketplace's, on top.")
    paid = models.DecimalField(
        max_digits=14, decimal_places=4, help_text="By hand, as was noted, or by the marketplace."
    )
    declined = models.DecimalField(
        max_digits=14, decimal_places=4, help_text="What the marketplace was told not to pay."
    )

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["deletion", "worker"], nulls_distinct=False, name="one_line_per_worker"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.worker}: {self.earned}"
