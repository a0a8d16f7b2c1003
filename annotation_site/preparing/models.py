"""Imports and estimates that were asked for, and what became of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Sum

from annotation_site.catalog.claims import Kind
from annotation_site.catalog.jobs import Job, State
from annotation_site.catalog.models import Project, Role, Round
from annotation_site.catalog.originals import MAX_PIXELS

UPLOADING = "uploading"
"""The state of an import before it is a job: its files are still coming."""


class ImportRun(Job):
    """Images to be taken into a project, by a worker, and the report of what was left out."""

    CLAIM = Kind.INTAKE
    DEADLY = (
        "Most often the machine has too little memory: allow only smaller images. What is imported stays."
    )

    class Source(models.TextChoices):
        UPLOAD = "upload", "files of a browser"
        PLACE = "place", "a folder of the server, or a bucket"

    project = models.ForeignKey(Project, models.CASCADE, related_name="imports", db_index=False)
    source = models.CharField(max_length=8, choices=Source.choices)
    place = models.CharField(max_length=1000, help_text="A path or URL; of an upload, a digest of its list.")
    annotations = models.CharField(
        max_length=500, blank=True, help_text="The COCO file, by its name in the place."
    )
    shares = models.JSONField(help_text="Role -> share of the images.")
    seed = models.BigIntegerField(default=0)
    strict = models.BooleanField(default=False)
    in_place = models.BooleanField(default=False)
    max_pixels = models.PositiveBigIntegerField(default=MAX_PIXELS)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    state = models.CharField(
        max_length=9, choices=[(UPLOADING, "Uploading"), *State.choices], default=State.WAITING
    )
    report = models.JSONField(default=dict, blank=True, help_text="ImportReport.as_json().")

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["project", "-id"], name="imports_newest_first")]

    def __str__(self) -> str:
        return f"import {self.pk} into {self.project}"

    @property
    def divided(self) -> list[tuple[Role, float]]:
        """The roles that an image may get with their shares, in the order of the roles: JSON keeps none."""
        return [(role, self.shares[role.value]) for role in Role if role.value in self.shares]

    @property
    def arrived(self) -> dict[str, int]:
        """Bytes of an upload: `received` of `size`."""
        return self.files.aggregate(received=Sum("received", default=0), size=Sum("size", default=0))


class UploadedFile(models.Model):
    """A file of an upload; its pieces are artifacts, `received` bytes of it are there."""

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="files", db_index=False)
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=500, help_text="With the folders that it was chosen by.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    received = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["run", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "number"], name="uploaded_files_are_numbered"),
            models.CheckConstraint(condition=Q(received__lte=F("size")), name="no_more_than_was_announced"),
        ]

    def __str__(self) -> str:
        return self.name


class Estimate(Job):
    """What a round's campaign is expected to bring, worked out by a worker; money follows from the budget.

    It counts as long as `rests_on` is the digest of what the round's plan would rest on now.
    """

    CLAIM = Kind.ESTIMATE

    round = models.OneToOneField(Round, models.CASCADE, related_name="estimate")
    rests_on = models.CharField(
        max_length=64,
        blank=True,
        help_text="verification.forecasting.Basis.digest, taken before it began.",
    )
    plan = models.JSONField(null=True, blank=True, help_text="pipeline.planning.Plan.to_json().")

    def __str__(self) -> str:
        return f"estimate of {self.round}"
