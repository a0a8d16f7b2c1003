"""Passes of a project, how far their stages are, and what these leave until there are trees."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from annotation_site.catalog.models.images import Role
from annotation_site.catalog.models.projects import SHARE, Project


class Round(models.Model):
    """One pass of train, detect, cluster, verify."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    detector = models.CharField(max_length=40, blank=True, help_text="Which model predicted.")
    checkpoint = models.CharField(max_length=300, blank=True, help_text="Its path in the artifacts storage.")
    feature_source = models.CharField(max_length=200, blank=True, help_text="What the feature vectors are.")
    carry_on_to = models.CharField(
        max_length=12,
        blank=True,
        help_text="The stage up to which workers go on by themselves; empty: not at all.",
    )
    k_pa = models.FloatField(null=True, blank=True, validators=SHARE)
    calibration = models.JSONField(null=True, blank=True)
    same_iou = models.FloatField(
        default=0.5,
        validators=SHARE,
        help_text="Above this IoU a predicted mask shows an object that is known already.",
    )
    better_by = models.FloatField(
        default=0.1,
        validators=SHARE,
        help_text="Such a mask is asked about when its score is so much higher, to replace the known one.",
    )

    class Meta:
        ordering: ClassVar = ["project", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "number"], name="rounds_are_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.project} round {self.number}"


class StageRun(models.Model):
    """How far one long step of a round is."""

    class Stage(models.TextChoices):
        TRAIN = "train"
        DETECT = "detect"
        CLUSTER = "cluster"
        CALIBRATE = "calibrate"
        OPEN = "open"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        STOPPED = "stopped"
        FAILED = "failed"
        DONE = "done"

    INTERRUPTED: ClassVar = "interrupted"
    """How programs are told that a stage is under way whose process died; a worker takes it over."""
    is_interrupted = False
    """As of when `catalog.stage_rows` read it; not stored."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=12, choices=Stage.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    detail = models.JSONField(
        default=dict, blank=True, help_text="What the stage leaves to look at, e.g. losses."
    )
    stop_requested = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True, help_text="When it last got further.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["round", "stage"], name="one_run_per_stage")]

    def __str__(self) -> str:
        return f"{self.round}: {self.stage} {self.state}"

    @property
    def told(self) -> str:
        """The state, as programs are told it."""
        return self.INTERRUPTED if self.is_interrupted else self.state


class OfferedPredictions(models.Model):
    """Files with the predictions of another model, uploaded for a round, until they are its predictions."""

    round = models.OneToOneField(Round, models.CASCADE, related_name="offered")
    folder = models.CharField(max_length=300, help_text="Of the files, in the artifacts storage.")
    results = models.CharField(max_length=120, help_text="File name of the COCO results.")
    features = models.CharField(max_length=120, blank=True, help_text="Of the vectors; empty: computed.")
    images = models.CharField(max_length=120, blank=True, help_text="Of the COCO file that names images.")
    computed_by = models.CharField(max_length=40, default="auto")
    replaces = models.BooleanField(default=False, help_text="In the place of predictions that are there.")
    size = models.PositiveBigIntegerField(help_text="Bytes of all files.")
    offered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    offered_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True, help_text="What was there before is gone since.")

    class Meta:
        verbose_name_plural = "offered predictions"

    def __str__(self) -> str:
        return f"{self.results} for {self.round}"


class DetectionShard(models.Model):
    """A run of images whose predictions are one file of arrays; finished when `finished_at` is set."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="shards")
    role = models.CharField(max_length=8, choices=Role.choices)
    index = models.PositiveIntegerField()
    first_image = models.BigIntegerField(help_text="Smallest image id, inclusive.")
    last_image = models.BigIntegerField(help_text="Largest image id, inclusive.")
    images = models.PositiveIntegerField(default=0)
    path = models.CharField(max_length=300, blank=True)
    masks = models.PositiveIntegerField(default=0)
    failures = models.JSONField(
        default=list, blank=True, help_text="Images that could not be read, with reasons."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["round", "role", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["round", "role", "index"], name="shards_are_numbered")
        ]
