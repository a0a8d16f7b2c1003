"""What may be spent and what was: an append-only ledger whose sum is the spend."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from annotation_site.budget.terms import Partial, Terms
from annotation_site.catalog.models import Project

NOT_NEGATIVE = [MinValueValidator(Decimal(0))]


class Budget(models.Model):
    """Hard caps of a project and how work is paid; its row is the lock under which the ledger grows."""

    class Unfinished(models.TextChoices):
        SHARE = Partial.SHARE.value, "for what was answered"
        NOTHING = Partial.NOTHING.value, "nothing"
        FULL = Partial.FULL.value, "as if it were finished"

    project = models.OneToOneField(Project, models.CASCADE, related_name="budget")
    questions = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no cap.")
    money = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="Fees included. Empty: no cap."
    )
    currency = models.CharField(max_length=3, default="USD")
    pay_per_question = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), validators=NOT_NEGATIVE
    )
    pay_per_hit = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), validators=NOT_NEGATIVE
    )
    pay_per_hour = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), validators=NOT_NEGATIVE,
        help_text="Of the time that masks were visible and in focus.",
    )  # fmt: skip
    longest_seconds = models.PositiveSmallIntegerField(
        default=10, help_text="Of one question that are paid by the hour at most; reserved for each."
    )
    unfinished = models.CharField(
        max_length=8, choices=Unfinished.choices, default=Unfinished.SHARE,
        help_text="What is paid for a HIT that its worker left. Who is stopped gets the share they did.",
    )  # fmt: skip
    fee_share = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal(0), validators=NOT_NEGATIVE,
        help_text="The marketplace's, on top of the pay.",
    )  # fmt: skip
    least_fee = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), validators=NOT_NEGATIVE,
        help_text="The marketplace's for a HIT or a bonus, as MTurk's 0.01.",
    )  # fmt: skip
    committed_questions = models.IntegerField(default=0, help_text="Derived: the ledger's sum.")
    committed_money = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0), help_text="Derived: the ledger's sum."
    )
    overdrawn = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0),
        help_text="Derived: what marketplaces paid by themselves beyond the cap.",
    )  # fmt: skip

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(questions__isnull=True) | Q(committed_questions__lte=F("questions")),
                name="questions_stay_under_the_cap",
            ),
            models.CheckConstraint(
                condition=Q(money__isnull=True) | Q(committed_money__lte=F("money") + F("overdrawn")),
                name="money_stays_under_the_cap",
            ),
        ]

    def share(self, questions: int, money: Decimal) -> Decimal | None:
        """How much of the cap that is nearer so much comes to; None without caps."""
        pairs = ((Decimal(questions), self.questions), (money, self.money))
        return max((spent / cap for spent, cap in pairs if cap), default=None)

    @property
    def committed_share(self) -> Decimal | None:
        """Spent or reserved of the cap that is nearer to its end; None without caps."""
        return self.share(self.committed_questions, self.committed_money)

    @property
    def terms(self) -> Terms:
        """How a HIT that opens now is paid."""
        return Terms(
            per_question=Decimal(self.pay_per_question),
            per_hit=Decimal(self.pay_per_hit),
            per_hour=Decimal(self.pay_per_hour),
            longest=self.longest_seconds,
            fee_share=Decimal(self.fee_share),
            least_fee=Decimal(self.least_fee),
            partial=Partial(self.unfinished),
        )


class LedgerEntry(models.Model):
    """One movement; a trigger keeps it. Opening a HIT reserves; its end releases that and settles.

    What a marketplace then pays is more or less, or nothing: a correction enters the difference.

    It stays when its project is deleted: the database does not ask whether there still is one.
    """

    class Kind(models.TextChoices):
        RESERVE = "reserve"
        RELEASE = "release"
        SETTLE = "settle"
        BONUS = "bonus"
        CORRECT = "correct"

    project = models.ForeignKey(Project, models.PROTECT, related_name="ledger", db_constraint=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    questions = models.IntegerField()
    money = models.DecimalField(max_digits=12, decimal_places=4, help_text="Pay and fee.")
    fee = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="Of the money: the marketplace's."
    )
    reference = models.CharField(max_length=80, help_text="What it is for, e.g. assignment:17.")
    terms = models.JSONField(null=True, blank=True, help_text="Of a reservation: what it is settled by.")
    note = models.CharField(max_length=200, blank=True, help_text="Why, where a person decided it.")
    payee = models.BigIntegerField(null=True, blank=True, help_text="The worker whose pay it is, by number.")
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "reference"], name="one_movement_per_reference"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "at"], name="ledger_by_time"),
            models.Index(
                fields=["project", "payee"], condition=Q(payee__isnull=False), name="ledger_by_payee"
            ),
        ]


SPENT = (LedgerEntry.Kind.SETTLE, LedgerEntry.Kind.BONUS, LedgerEntry.Kind.CORRECT)
"""Kinds of entries that are spent for good; the others reserve, and give back."""
