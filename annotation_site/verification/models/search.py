"""By what a round is searched, its clusters, and what became of them."""

from __future__ import annotations

from typing import ClassVar, Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import IntegerRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from annotation_site.catalog.models import SHARE, Round, Tree
from annotation_site.people.models import Worker


class Skill(models.Model):
    """How often a worker is right, as the answers about a tree are weighed; estimated anew at times.

    One for each tree, so that a tree's answers are all read by the same estimates while it is held.
    """

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="skills", db_index=False)
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="skills", db_index=False)
    sensitivity = models.FloatField(validators=SHARE)
    specificity = models.FloatField(validators=SHARE)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "worker"], name="one_skill_per_tree_and_worker"),
        ]


class SearchRules(models.Model):
    """By what a round's trees are searched; fixed when the campaign opens, so that facts can be replayed."""

    round = models.OneToOneField(Round, models.CASCADE, related_name="rules")
    thresholds = models.JSONField(help_text="Fields of pipeline.decisions.Thresholds.")
    rule = models.CharField(max_length=40)
    strategy = models.CharField(max_length=40)
    judgments_per_question = models.PositiveSmallIntegerField(default=1)
    aggregation = models.CharField(max_length=40, default="majority")
    long_tail = models.BooleanField(
        default=False, help_text="Trees without a candidate cluster are asked about mask by mask."
    )
    opened_at = models.DateTimeField()


class Cluster(models.Model):
    """A node of a tree that became a candidate: leaves [lo, hi). Nodes split without asking leave no row."""

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="clusters", db_index=False)
    node = models.PositiveIntegerField()
    lo = models.PositiveIntegerField()
    hi = models.PositiveIntegerField()
    mean_score = models.FloatField()
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    priority = models.FloatField(help_text="The strategy's sort key; larger is asked sooner.")
    sample_size = models.PositiveIntegerField(help_text="Masks that are asked about at most.")
    is_open = models.BooleanField(
        default=True,
        help_text="Derived: no standing decision, every cluster above stands split, nobody overruled it.",
    )
    opened_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "node"], name="one_cluster_per_node"),
            models.CheckConstraint(condition=Q(hi__gt=F("lo")), name="clusters_are_not_empty"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tree", "lo", "hi"], name="clusters_by_interval"),
            models.Index(fields=["tree", "-priority"], condition=Q(is_open=True), name="open_clusters"),
        ]

    @property
    def size(self) -> int:
        return self.hi - self.lo


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Decisions by whether they hold."""

    def in_force(self) -> Self:
        """Those that stand: nobody withdrew them."""
        return self.filter(withdrawn_at__isnull=True)


class Decision(models.Model):
    """What became of a cluster, with the counts it rests on. Withdrawn, never deleted."""

    objects = DecisionQuerySet.as_manager()

    class Verdict(models.TextChoices):
        ACCEPT = "accept"
        REJECT = "reject"
        SPLIT = "split"

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="decisions")
    tree = models.ForeignKey(Tree, models.CASCADE, related_name="decisions", db_index=False)
    interval = IntegerRangeField(help_text="Leaves [lo, hi).")
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    yes = models.PositiveIntegerField()
    no = models.PositiveIntegerField()
    sample = models.PositiveIntegerField(help_text="Size of the cluster's whole sample.")
    rule = models.CharField(max_length=40)
    rests_on = models.BigIntegerField(
        null=True, blank=True, help_text="The last judgment that was known when it was taken."
    )
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["cluster"],
                condition=Q(withdrawn_at__isnull=True),
                name="one_standing_decision_per_cluster",
            ),
            # A range of one tree id stands in for "=", which GiST knows for integers only with an extension.
            ExclusionConstraint(
                name="decided_intervals_do_not_overlap",
                expressions=[
                    (Func(F("tree"), F("tree"), Value("[]"), function="int8range"), RangeOperators.OVERLAPS),
                    ("interval", RangeOperators.OVERLAPS),
                ],
                condition=Q(withdrawn_at__isnull=True) & Q(verdict__in=["accept", "reject"]),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tree", "at"], name="decisions_by_time")]
