"""What the overview shows: the yield, its quality, the forecast, alarms, and the course by the hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.budgets import PACE
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards.alarms import Alarm
from annotation_site.dashboards.overview import overview
from annotation_site.verification.looking_ahead import Ends


class Money(serializers.DecimalField):
    """In the budget's currency, fees included."""

    def __init__(self, **told: Any) -> None:
        super().__init__(max_digits=20, decimal_places=2, **told)


class ShareTold(serializers.Serializer[Any]):
    """A share and the interval that holds it with 95 %."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class BoughtTold(serializers.Serializer[Any]):
    """What people's time and the money have bought so far."""

    accepted_masks = serializers.IntegerField(source="accepted")
    rejected_masks = serializers.IntegerField(source="rejected")
    questions = serializers.IntegerField(help_text="Answers, gold included.")
    questions_per_accepted_mask = serializers.FloatField(source="per_mask", allow_null=True)
    hours = serializers.FloatField(help_text="Of answering.")
    money = Money(source="spend.money", help_text="Spent for good, fees included.")
    money_per_accepted_mask = Money(source="money_per_mask", allow_null=True)
    committed_share = serializers.FloatField(
        allow_null=True, help_text="Spent or reserved of the cap that is nearer to its end; null without."
    )
    speed_up = serializers.FloatField(allow_null=True, help_text="Times faster than drawing these masks.")


class AheadTold(serializers.Serializer[Any]):
    """What is to be expected from here to the end; null until a worker has planned it, and at the end."""

    ends = serializers.ChoiceField(
        choices=[end.value for end in Ends],
        help_text="What ends it: the budget, or nothing left to ask.",
    )
    answers = serializers.IntegerField(help_text="Still to be given, gold included.")
    money = Money(help_text="Still to be paid.")
    accepted_masks = serializers.IntegerField(source="accepted", help_text="By then, those of now included;")
    low = serializers.IntegerField(help_text="80 % of the imagined campaigns end between this")
    high = serializers.IntegerField(help_text="and this.")
    hours = serializers.FloatField(help_text=PACE)
    at = serializers.DateTimeField(allow_null=True, help_text="If people go on as they do; null if none do.")


class AlarmTold(serializers.Serializer[Any]):
    """What is wrong, and what to do about it."""

    key = serializers.CharField()
    title = serializers.CharField()
    advice = serializers.CharField()
    command = serializers.CharField(help_text="That does it; may be empty.")
    page = serializers.CharField(help_text="Where it is done; may be empty.")
    is_grave = serializers.BooleanField()


class HourTold(serializers.Serializer[Any]):
    """Answers given and masks accepted in the hour that begins then."""

    at = serializers.DateTimeField()
    answers = serializers.IntegerField()
    accepted = serializers.IntegerField()


class StretchTold(serializers.Serializer[Any]):
    """Gold answers one after the other, up to then."""

    at = serializers.DateTimeField()
    answers = serializers.IntegerField()
    right = serializers.IntegerField()
    share = ShareTold()


class CategoryTold(serializers.Serializer[Any]):
    """What became of a category's masks."""

    name = serializers.CharField()
    masks = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    accepted_clusters = serializers.IntegerField()
    open_clusters = serializers.IntegerField()
    answers = serializers.IntegerField()
    long_tail = serializers.BooleanField(source="is_tail", help_text="No cluster of it can be asked about.")


class OverviewSerializer(serializers.Serializer[Any]):
    """What the overview shows; some seconds old at most."""

    alarms = AlarmTold(many=True, help_text="The grave ones first.")
    bought = BoughtTold()
    quality = ShareTold(allow_null=True, help_text="The share of right masks in what answers accepted.")
    accepted_by_hand = serializers.IntegerField(source="by_hand", help_text="Masks; not in `quality`.")
    answers_per_hour = serializers.FloatField(
        source="per_hour", allow_null=True, help_text="Over the last day; null while nobody answers."
    )
    forecast = AheadTold(source="ahead", allow_null=True)
    throughput = HourTold(many=True, source="hours", help_text="Of the last week in which people answered.")
    gold = StretchTold(many=True)
    categories = CategoryTold(many=True)


class Overview(ProjectView):
    @operation("read_overview", "projects", gives=OverviewSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Alarms, what was bought and how good it is, the forecast, throughput and gold accuracy."""
        found = overview(self.project)
        told = {**found, "alarms": [_alarm(request, alarm) for alarm in found["alarms"]]}
        return Response(OverviewSerializer(told).data)


def _alarm(request: Request, alarm: Alarm) -> Alarm:
    return replace(alarm, page=request.build_absolute_uri(alarm.page)) if alarm.page else alarm
