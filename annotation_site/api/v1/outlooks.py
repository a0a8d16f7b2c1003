"""What every K_pa would bring a round, as the model page shows it beside the threshold."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.budgets import PACE
from annotation_site.api.v1.overviews import Money
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.stages import RoundQuery
from annotation_site.api.v1.views import ProjectView
from annotation_site.budget.caps import budget_of
from annotation_site.catalog.choosing import is_open
from annotation_site.catalog.models import Project, Round
from annotation_site.dashboards.model.charts import SECONDS
from annotation_site.dashboards.model.facts import calibration_of
from annotation_site.verification.ground import rules_in_force
from annotation_site.verification.outlooks import NothingToLookAt, look_on, told


class ProspectTold(serializers.Serializer[Any]):
    """What the round is expected to bring, from its beginning to its end, by a K_pa."""

    k_pa = serializers.FloatField()
    questions = serializers.IntegerField(help_text="Answers, further votes and gold included.")
    accepted_masks = serializers.IntegerField(source="accepted")
    precision = serializers.FloatField(
        allow_null=True, help_text="Share of them that is correct; null where none is accepted."
    )
    clusters = serializers.IntegerField(help_text="That people are asked about.")
    hours = serializers.FloatField(help_text=PACE)
    money = Money(help_text="In the currency, fees included.")


class OutlookSerializer(serializers.Serializer[Any]):
    """How far looking is; what each K_pa would bring once it is through: ask again until it is there."""

    round = serializers.IntegerField(source="number")
    k_pa = serializers.FloatField(allow_null=True, help_text="That counts for the round.")
    calibrated = serializers.FloatField(help_text="The K_pa of its calibration.")
    is_fixed = serializers.BooleanField(
        help_text="Whether people answer about the round, so that another K_pa counts from the next one on."
    )
    currency = serializers.CharField()
    done = serializers.IntegerField(help_text="Trees that were looked at.")
    of = serializers.IntegerField(help_text="Trees in all.")
    outlook = ProspectTold(many=True, allow_null=True, help_text="By K_pa, from 0 to 1 by 0.01.")


class ThresholdOutlook(ProjectView):
    @operation(
        "read_outlook",
        "predictions",
        query=RoundQuery,
        gives=OutlookSerializer,
        conflict="The round has no trees or no calibration yet.",
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Tell what each K_pa would bring the round, in questions, masks, precision, hours and money."""
        number = self.query(RoundQuery).get("round")
        rounds = self.project.rounds.order_by("-number")
        round_ = rounds.first() if number is None else get_object_or_404(rounds, number=number)
        if round_ is None:
            raise NothingToLookAt(f"{self.project} has no round yet.")
        return Response(OutlookSerializer(_outlook(self.project, round_)).data)


def _outlook(project: Project, round_: Round) -> dict[str, Any]:
    looking, calibration = look_on(round_, seconds=SECONDS), calibration_of(round_)
    columns = told(round_, looking.found) if looking.is_through else None
    return {
        "number": round_.number,
        "k_pa": rules_in_force(round_).thresholds["k_pa"],
        "calibrated": calibration and calibration.k_pa,
        "is_fixed": is_open(round_),
        "currency": budget_of(project).currency,
        "done": looking.done,
        "of": looking.of,
        "outlook": columns
        and [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
    }
