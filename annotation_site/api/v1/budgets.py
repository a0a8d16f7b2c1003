"""What may be spent, what was, and what a campaign is expected to cost."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.budget.ledger import PAY, budget_of, change_budget
from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.catalog.models import Project
from annotation_site.dashboards.sharing import shared
from annotation_site.verification.forecasting import Expected, forecast

POINTS = 10
"""Of an estimate, from the first accepted masks to the end."""


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    """Caps (null: none), how work is paid, and what is spent or reserved."""

    class Meta:
        model = Budget
        fields = ("questions", "money", "currency", *PAY, "committed_questions", "committed_money")


class BudgetBody(Body, serializers.ModelSerializer[Budget]):
    """Caps and pay to be changed; HITs that are open keep their terms."""

    currency = serializers.RegexField("^[A-Z]{3}$", required=False)

    class Meta:
        model = Budget
        fields = ("questions", "money", "currency", *PAY)


class LedgerSerializer(serializers.ModelSerializer[LedgerEntry]):
    """A movement: opening a HIT reserves, its end releases that and settles what was done."""

    class Meta:
        model = LedgerEntry
        fields = ("id", "kind", "questions", "money", "fee", "reference", "note", "at")


class ExpectedSerializer(serializers.Serializer[Any]):
    """What is to be expected at one point of a campaign."""

    accepted = serializers.FloatField()
    low = serializers.FloatField(help_text="In 80 % of the imagined campaigns between this")
    high = serializers.FloatField(help_text="and this.")
    precision = serializers.FloatField(allow_null=True)
    questions = serializers.IntegerField(help_text="Gold included.")
    money = serializers.CharField(help_text="Fees included.")
    hours = serializers.FloatField()


class EstimateSerializer(serializers.Serializer[Any]):
    """What the current round will bring and cost, before anyone is asked."""

    masks = serializers.IntegerField()
    votes = serializers.FloatField(help_text="On one question, on average.")
    currency = serializers.CharField()
    steps = ExpectedSerializer(many=True)
    until_spent = ExpectedSerializer(
        allow_null=True, help_text="Where the caps end it; null where they do not."
    )


class OneBudget(ProjectView):
    @operation("read_budget", "budget", gives=BudgetSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read caps, pay and what is committed."""
        return Response(BudgetSerializer(budget_of(self.project)).data)

    @operation("change_budget", "budget", body=BudgetBody, gives=BudgetSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Set caps and pay. A cap below what is committed is refused."""
        said = self.body(BudgetBody, partial=True)
        self.check_match(BudgetSerializer(budget_of(self.project)).data)
        return Response(BudgetSerializer(change_budget(project=self.project, **said)).data)


class Ledger(ProjectView):
    @operation("list_ledger", "budget", query=PageQuery, gives=paged(LedgerSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the movements, the newest first."""
        own = LedgerEntry.objects.filter(project=self.project)
        return page(request, own, self.query(PageQuery), lambda one: LedgerSerializer(one).data)


class Estimate(ProjectView):
    @operation("read_estimate", "budget", gives=EstimateSerializer, conflict="The round is not that far.")
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Masks, questions, money and hours to expect of the round's trees."""
        return Response(shared(self.project, "estimate", _estimate))


def _estimate(project: Project) -> Any:
    found = forecast(project=project, rng=np.random.default_rng(0))
    spent = found.until_spent(budget_of(project))
    told = {
        "masks": found.masks,
        "votes": found.votes,
        "currency": found.currency,
        "steps": [_expected(step) for step in found.steps(POINTS)] if len(found.plan.questions) else [],
        "until_spent": spent and _expected(spent),
    }
    return dict(EstimateSerializer(told).data)


def _expected(step: Expected) -> dict[str, Any]:
    cents = partial(Decimal.quantize, exp=Decimal("0.01"))
    return {
        "accepted": step.accepted,
        "low": step.low,
        "high": step.high,
        "precision": step.precision if math.isfinite(step.precision) else None,
        "questions": step.questions,
        "money": str(cents(step.money)),
        "hours": step.hours,
    }
