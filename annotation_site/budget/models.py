"""What may be spent and what was: an append-only ledger whose sum is the spend."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from annotation_site.catalog.models import Project


class Budget(models.Model):
    """Hard caps of a project; its row is the lock under which the ledger grows. Empty: no cap."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="budget")
    questions = models.PositiveIntegerField(null=True, blank=True)
    money = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    pay_per_question = models.DecimalField(max_digits=8, decimal_places=4, default=Decimal(0))
    fee_share = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal(0), help_text="The marketplace's, on top of the pay."
    )
    committed_questions = models.IntegerField(default=0, help_text="Derived: the ledger's sum.")
    committed_money = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0), help_text="Derived: the ledger's sum."
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(questions__isnull=True) | Q(committed_questions__lte=F("questions")),
                name="questions_stay_under_the_cap",
            ),
            models.CheckConstraint(
                condition=Q(money__isnull=True) | Q(committed_money__lte=F("money")),
                name="money_stays_under_the_cap",
            ),
        ]


class LedgerEntry(models.Model):
    """One movement. Opening a HIT reserves; its end releases that and settles what was done."""

    class Kind(models.TextChoices):
        RESERVE = "reserve"
        RELEASE = "release"
        SETTLE = "settle"
        BONUS = "bonus"

    project = models.ForeignKey(Project, models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    questions = models.IntegerField()
    money = models.DecimalField(max_digits=12, decimal_places=4)
    reference = models.CharField(max_length=80, help_text="What it is for, e.g. assignment:17.")
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "reference"], name="one_movement_per_reference"),
        ]
        indexes: ClassVar = [models.Index(fields=["project", "at"], name="ledger_by_time")]
