"""What is asked: the queue."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from annotation_site.catalog.models import Category, Mask, Project, Tree
from annotation_site.people.models import GoldItem
from annotation_site.verification.models.search import Cluster


class Question(models.Model):
    """Does this outline the category correctly? About one sampled mask, or about gold: workers cannot tell.

    A mask has at most one question; it is opened for one cluster after the other down the tree.
    `wanted` and `taken` are the queue: judgments the open cluster can still use, and live leases on them. All
    from `cluster` to `taken` are derived and can be computed again from the facts (fold.py).
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="questions")
    category = models.ForeignKey(Category, models.CASCADE, related_name="questions", db_index=False)
    mask = models.OneToOneField(Mask, models.CASCADE, null=True, blank=True, related_name="question")
    gold = models.OneToOneField(GoldItem, models.CASCADE, null=True, blank=True, related_name="question")
    tree = models.ForeignKey(
        Tree, models.CASCADE, null=True, blank=True, related_name="questions", db_index=False
    )
    position = models.PositiveIntegerField(null=True, blank=True, help_text="The mask's leaf.")
    cluster = models.ForeignKey(
        Cluster, models.CASCADE, null=True, blank=True, related_name="questions", db_index=False
    )
    rank = models.PositiveIntegerField(default=0, help_text="Place in the cluster's sample, in key order.")
    turn = models.PositiveSmallIntegerField(
        default=0,
        help_text="0: no answer to it can be in vain; 1: its cluster may be settled without it.",
    )
    priority = models.FloatField(default=0, help_text="The cluster's.")
    wanted = models.PositiveSmallIntegerField(default=0)
    taken = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(mask__isnull=False, gold__isnull=True) | Q(mask__isnull=True, gold__isnull=False),
                name="questions_are_about_one_thing",
            ),
            # With the key, a tree's questions are found without reading their rows.
            models.UniqueConstraint(
                fields=["tree", "position"], include=["id"], name="one_question_per_leaf"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                F("project"), F("turn"), F("priority").desc(), F("rank"), F("id"),
                condition=Q(wanted__gt=F("taken")), name="questions_to_ask",
            ),
            models.Index(fields=["cluster"], name="questions_by_cluster"),
        ]  # fmt: skip
