"""Campaigns with their parameters, and the kinds of objects that they label."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from pipeline.decisions import DEFAULT_RULE
from pipeline.strategies import DEFAULT_STRATEGY

SHARE = (MinValueValidator(0.0), MaxValueValidator(1.0))


class Project(models.Model):
    """One labelling campaign: categories, parameters, instructions."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAUSED = "paused"
        ARCHIVED = "archived"
        DELETING = "deleting", "being deleted"

    PUT_AWAY = (State.ARCHIVED, State.DELETING)
    """States in which a project is only read."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    instructions = models.TextField(blank=True, help_text="Shown to workers before they start.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(auto_now_add=True)
    generated = models.BooleanField(default=False, help_text="The images are generated scenes, no photos.")
    seed = models.BigIntegerField(default=0)

    k_iou = models.FloatField(default=0.75, validators=SHARE, help_text="A mask is correct from this IoU on.")
    k_a = models.FloatField(default=0.85, validators=SHARE, help_text="Share of yes that accepts a cluster.")
    k_pa = models.FloatField(
        null=True, blank=True, validators=SHARE,
        help_text="Clusters of a lower mean score are split without asking; empty: calibrated.",
    )  # fmt: skip
    n_s = models.PositiveIntegerField(default=15, help_text="Masks sampled from a cluster.")
    min_size = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Smallest cluster that is asked about; empty: n_s, as on the paper's crowd.",
    )
    confidence = models.FloatField(default=0.2, validators=SHARE, help_text="Predictions below are dropped.")
    strategy = models.CharField(max_length=40, default=DEFAULT_STRATEGY)
    rule = models.CharField(max_length=40, default=DEFAULT_RULE)
    worker_accuracy = models.FloatField(
        default=0.95,
        validators=(MinValueValidator(0.51), MaxValueValidator(1.0)),
        help_text="How often one answer is right, as far as is known; only the sequential rule looks at it.",
    )
    linkage = models.CharField(max_length=20, default="complete")
    feature = models.CharField(max_length=20, default="attention")
    use_score = models.BooleanField(default=True, help_text="Add the score's difference to the distance.")
    detector = models.CharField(max_length=40, default="maskrcnn-r50-fpn")
    detector_options = models.JSONField(default=dict, blank=True)

    hit_size = models.PositiveIntegerField(default=50, help_text="Questions on a page of work.")
    gold_share = models.FloatField(default=0.1, validators=SHARE, help_text="Of a HIT, hidden in it.")
    lease_minutes = models.PositiveIntegerField(default=30)
    judgments_per_question = models.PositiveSmallIntegerField(
        default=1, help_text="Votes on each question, an odd number; only majority looks at it."
    )
    aggregation = models.CharField(
        max_length=40,
        default="majority",
        help_text="Whether votes are counted, or asked for and weighed where a decision hangs on them.",
    )

    most_rounds = models.PositiveSmallIntegerField(
        default=1,
        validators=(MinValueValidator(1),),
        help_text="Up to so many, workers begin the next round by themselves when nothing is left to ask.",
    )
    least_gain = models.FloatField(
        default=0.05,
        validators=(MinValueValidator(0.0),),
        help_text="No further round once one added less than this share to the accepted masks.",
    )
    long_tail = models.BooleanField(
        default=False,
        help_text="Ask about categories that have no cluster mask by mask, when no cluster is left.",
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_archived(self) -> bool:
        """Put away: it is read, and neither changed nor worked on."""
        return self.state in self.PUT_AWAY


class Category(models.Model):
    """A kind of object, as in COCO."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="categories")
    coco_id = models.IntegerField()
    name = models.CharField(max_length=120)
    supercategory = models.CharField(max_length=120, blank=True)
    guide = models.TextField(blank=True, help_text="What a correct outline of this category is.")

    class Meta:
        verbose_name_plural = "categories"
        ordering: ClassVar = ["coco_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "coco_id"], name="one_category_per_coco_id"),
            models.UniqueConstraint(fields=["project", "name"], name="one_category_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
