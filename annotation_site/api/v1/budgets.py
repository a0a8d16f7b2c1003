"""What may be spent, what was, and what a campaign is expected to cost."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.budget.caps import PAY, budget_of, change_budget
from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.catalog.rounds import current_round
from annotation_site.preparing.estimates import ask_for_estimate, estimated
from annotation_site.preparing.models import Estimate
from annotation_site.verification.forecasting import Expected, Forecast

NOT_ASKED = "not asked for"
PACE = "Of people, at the pace of the latest answers; at two seconds each until there are enough."
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
    hours = serializers.FloatField(help_text=PACE)


class ForecastTold(serializers.Serializer[Any]):
    """What the current round will bring and cost."""

    masks = serializers.IntegerField()
    votes = serializers.FloatField(help_text="On one question, on average.")
    currency = serializers.CharField()
    paid_on = serializers.CharField(
        allow_blank=True, help_text="The marketplace whose listing's terms count; empty: the budget's."
    )
    steps = ExpectedSerializer(many=True)
    until_spent = ExpectedSerializer(
        allow_null=True, help_text="Where the caps end it; null where they do not."
    )


class EstimateSerializer(serializers.ModelSerializer[Estimate]):
    """How far the estimate of the current round is, and what it says at what the project pays now."""

    state = serializers.CharField(
        help_text=f"{NOT_ASKED} before the round is calibrated, unless somebody did; waiting, too, when what "
        "it rested on has changed."
    )
    forecast = ForecastTold(allow_null=True)

    class Meta:
        model = Estimate
        fields = ("state", "done", "total", "error", "finished_at", "forecast")


class OneBudget(ProjectView):
    @operation("read_budget", "budget", gives=BudgetSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read caps, pay and what is committed."""
        return Response(self._told())

    @operation("change_budget", "budget", body=BudgetBody, gives=BudgetSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Set caps and pay. A cap below what is committed is refused."""
        said = self.body(BudgetBody, partial=True)
        with self.matching(self._told, Budget.objects.filter(project=self.project)):
            change_budget(project=self.project, **said)
        return Response(self._told())

    def _told(self) -> Any:
        return BudgetSerializer(budget_of(self.project)).data


class Ledger(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("list_ledger", "budget", query=PageQuery, gives=paged(LedgerSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the movements, the newest first."""
        own = LedgerEntry.objects.filter(project=self.project)
        return page(request, own, self.query(PageQuery), lambda one: LedgerSerializer(one).data)


class OneEstimate(ProjectView):
    @operation("read_estimate", "budget", gives=EstimateSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Masks, questions, money and hours to expect of the round, as far as that is worked out."""
        return Response(_estimate(*estimated(current_round(self.project))))

    @operation("ask_for_estimate", "budget", gives=EstimateSerializer, status=HTTPStatus.ACCEPTED)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Let a worker work it out, unless that is done or under way. Safe to repeat."""
        row = ask_for_estimate(self.project)
        enqueue.make_estimate(row.pk)
        return Response(_estimate(*estimated(row.round)), status=HTTPStatus.ACCEPTED)


def _estimate(row: Estimate, found: Forecast | None) -> Any:
    told: Any = row
    told.state, told.forecast = row.state or NOT_ASKED, None
    if found is not None:
        spent = found.until_spent(budget_of(row.round.project))
        told.forecast = {
            "masks": found.masks,
            "votes": found.work.votes,
            "currency": found.work.currency,
            "paid_on": found.work.paid_on,
            "steps": [_expected(step) for step in found.steps(POINTS)],
            "until_spent": spent and _expected(spent),
        }
    return EstimateSerializer(told).data


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
