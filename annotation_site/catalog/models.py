"""What is labelled: projects, their images, and per round the predicted masks in their trees."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from pipeline.decisions import DEFAULT_RULE
from pipeline.predictions import Rle
from pipeline.strategies import DEFAULT_STRATEGY

SHARE = (MinValueValidator(0.0), MaxValueValidator(1.0))


class Role(models.TextChoices):
    """What an image is for."""

    INITIAL = "initial", "initial (annotated, trains the model)"
    HELDOUT = "heldout", "held out (annotated, calibrates)"
    POOL = "pool", "pool (unlabeled, its annotations are only ever used to evaluate)"


class Project(models.Model):
    """One labelling campaign: categories, parameters, instructions."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAUSED = "paused"

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
