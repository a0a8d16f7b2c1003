"""Exports and comparisons that were asked for, and what became of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from annotation_site.catalog.claims import Kind
from annotation_site.catalog.jobs import Job
from annotation_site.catalog.models import Project, Round


class ExportFile(Job):
    """A dataset as a file in the artifacts storage, with what made it. Kept until somebody deletes it.

    Its facts are as of `begun_at`.
    """

    CLAIM = Kind.EXPORT

    project = models.ForeignKey(Project, models.CASCADE, related_name="exports", db_index=False)
    format = models.CharField(max_length=20)
    include = models.CharField(max_length=10, default="accepted")
    round_number = models.PositiveIntegerField(null=True, blank=True)
    every_image = models.BooleanField(default=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    path = models.CharField(max_length=300, blank=True, help_text="In the artifacts storage.")
    entries = models.PositiveBigIntegerField(null=True, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["project", "-id"], name="exports_newest_first")]

    def __str__(self) -> str:
        return f"{self.format} of {self.project}"


class Comparison(Job):
    """The usefulness experiment (results/usefulness.py) on what a round began with, by a GPU worker."""

    CLAIM = Kind.COMPARISON
    DEADLY = (
        "Most often the machine has too little memory: choose a smaller batch size for the detector. What "
        "was learnt is kept."
    )

    project = models.ForeignKey(Project, models.CASCADE, related_name="comparisons", db_index=False)
    round = models.ForeignKey(Round, models.CASCADE, related_name="comparisons")
    seeds = models.PositiveSmallIntegerField(default=1, help_text="Trainings of each set.")
    iterations = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of each training; empty: the project's own."
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    arms = models.JSONField(
        default=list, blank=True, help_text="usefulness.Arm.to_json() of each training that is measured."
    )

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["project", "-id"], name="comparisons_newest_first")]

    def __str__(self) -> str:
        return f"comparison {self.pk} of {self.round}"
