"""Admins' verdicts, which lie over what people decided."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotation_site.catalog.models import Tree


class OverrulingQuerySet(models.QuerySet["Overruling"]):
    """Overrulings by whether they hold."""

    def standing(self) -> Self:
        """Neither undone nor replaced by a later one."""
        return self.filter(undone_at__isnull=True, replaced_by__isnull=True)

    def verdicts(self) -> Self:
        """Those that say what became of masks; a reopening leaves that to people."""
        return self.filter(verdict__in=[Overruling.Verdict.ACCEPT, Overruling.Verdict.REJECT])


class Overruling(models.Model):
    """An admin's verdict on a node of a tree: a cluster, any part of one, or a single mask (a leaf).

    It lies over what people decided and leaves that as it is; of those that stand the innermost says what
    became of a mask. Undone or replaced, never deleted.
    """

    objects = OverrulingQuerySet.as_manager()

    class Verdict(models.TextChoices):
        ACCEPT = "accept"
        REJECT = "reject"
        REOPEN = "reopen"

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="overrulings", db_index=False)
    node = models.PositiveIntegerField()
    lo = models.PositiveIntegerField()
    hi = models.PositiveIntegerField()
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="overrulings")
    at = models.DateTimeField()
    replaced_by = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="replaced",
        help_text="A later overruling that covers all of it; it stands again when that is undone.",
    )  # fmt: skip
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tree", "node"],
                condition=Q(
                    undone_at__isnull=True, replaced_by__isnull=True, verdict__in=["accept", "reject"]
                ),
                name="one_standing_overruling_per_node",
            ),
            models.CheckConstraint(condition=Q(hi__gt=F("lo")), name="overrulings_are_not_empty"),
            models.CheckConstraint(condition=~Q(reason=""), name="overrulings_have_a_reason"),
        ]
        indexes: ClassVar = [models.Index(fields=["tree", "lo", "hi"], name="overrulings_by_interval")]

    @property
    def size(self) -> int:
        return self.hi - self.lo

    @property
    def stands(self) -> bool:
        """Neither undone nor replaced."""
        return self.undone_at is None and self.replaced_by_id is None
