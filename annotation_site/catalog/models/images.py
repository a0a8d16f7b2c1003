"""Photos, and objects that are outlined in them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from annotation_site.catalog.models.projects import Category, Project
from pipeline.predictions import Rle


class Role(models.TextChoices):
    """What an image is for."""

    INITIAL = "initial", "initial (annotated, trains the model)"
    HELDOUT = "heldout", "held out (annotated, calibrates)"
    POOL = "pool", "pool (unlabeled, its annotations are only ever used to evaluate)"


class Image(models.Model):
    """A photo; width, height and every mask are those of the upright image (EXIF orientation applied)."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="images")
    role = models.CharField(max_length=8, choices=Role.choices)
    name = models.CharField(
        max_length=500, help_text="File name as the user knows it, relative to its folder."
    )
    path = models.CharField(
        max_length=500, help_text="Where the images storage holds the file; absolute when in place."
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    coco_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "digest"], name="one_image_per_content"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "role", "id"], name="images_by_role"),
            models.Index(fields=["project", "name"], name="images_by_name"),
            models.Index(fields=["project", "coco_id"], name="images_by_coco_id"),
        ]

    def __str__(self) -> str:
        return self.name


class ImageCount(models.Model):
    """How many images of a role a project has.

    Triggers on the images keep it, in the transaction that writes or deletes them: nothing else does.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="image_counts", db_index=False)
    role = models.CharField(max_length=8, choices=Role.choices)
    images = models.PositiveBigIntegerField()
    in_place = models.PositiveBigIntegerField(db_default=0, help_text="Of them, left where they were.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "role"], name="one_count_per_role"),
        ]


class OutlinedObject(models.Model):
    """An object of an image: its box in pixels (x, y, width, height) and run-length encoded mask."""

    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField()
    height = models.FloatField()
    counts = models.BinaryField(help_text="COCO's compressed run lengths at the image's upright size.")

    class Meta:
        abstract = True

    image: models.ForeignKey[Image, Image]

    @property
    def box(self) -> tuple[float, float, float, float]:
        return (self.x, self.y, self.width, self.height)

    @property
    def rle(self) -> Rle:
        """The mask at the size of its image (reads the image's row)."""
        return Rle(size=[self.image.height, self.image.width], counts=bytes(self.counts))


class Annotation(OutlinedObject):
    """A ground-truth mask. Those of pool images evaluate and never train."""

    image = models.ForeignKey(Image, models.CASCADE, related_name="annotations")
    category = models.ForeignKey(Category, models.CASCADE, related_name="annotations")
    area = models.FloatField()
    is_crowd = models.BooleanField(default=False)
    coco_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["image", "coco_id"],
                condition=Q(coco_id__isnull=False),
                name="one_annotation_per_coco_id",
            ),
        ]
