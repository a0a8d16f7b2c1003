"""What a round predicted: masks in the leaf order of trees, and which of them show the same object."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from annotation_site.catalog.models.images import Image, OutlinedObject, Role
from annotation_site.catalog.models.projects import Category
from annotation_site.catalog.models.rounds import Round


class Tree(models.Model):
    """The dendrogram of one category's masks in one round: of the pool, or of the held-out images."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="trees")
    category = models.ForeignKey(Category, models.CASCADE, related_name="trees")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.POOL)
    n = models.PositiveIntegerField(help_text="Leaves.")
    linkage = models.CharField(max_length=20)
    seed = models.BigIntegerField(help_text="Of the leaf keys.")
    packed = models.BinaryField(help_text="pipeline.dendrogram.Dendrogram.to_bytes().")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["round", "category", "role"], name="one_tree_per_category"),
            models.CheckConstraint(condition=Q(role__in=["pool", "heldout"]), name="trees_hold_predictions"),
        ]

    def __str__(self) -> str:
        return f"{self.category} in {self.round}"


class Mask(OutlinedObject):
    """One predicted instance; (tree, position) is its place in leaf order. Written by COPY."""

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="masks")
    position = models.PositiveIntegerField()
    image = models.ForeignKey(Image, models.CASCADE, related_name="masks")
    class_score = models.FloatField()
    predicted_iou = models.FloatField()
    score = models.FloatField(help_text="class score x predicted IoU")
    iou = models.FloatField(
        null=True,
        blank=True,
        help_text="Largest IoU with the ground truth of its category, where there is any.",
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "position"], name="one_mask_per_leaf")
        ]


class KnownObject(models.Model):
    """An object that a round need not find: accepted in an earlier one, as of this round's beginning."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="known", db_index=False)
    mask = models.ForeignKey(Mask, models.CASCADE, related_name="known_to")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["round", "mask"], name="an_object_is_known_once_to_a_round")
        ]


class Replacement(models.Model):
    """A newer mask of an object that an earlier round accepted: once it is accepted, it alone counts."""

    mask = models.ForeignKey(Mask, models.CASCADE, related_name="replaces", db_index=False)
    earlier = models.ForeignKey(Mask, models.CASCADE, related_name="replaced_by")
    iou = models.FloatField(help_text="Of the two masks.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mask", "earlier"], name="one_replacement_per_pair"),
            models.CheckConstraint(condition=~Q(mask=models.F("earlier")), name="no_mask_replaces_itself"),
        ]
