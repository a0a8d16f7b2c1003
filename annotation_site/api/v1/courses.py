"""How a worker did over time: what the charts of their page draw."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards.workers.charts import gold_chart, pace_chart
from annotation_site.people.models import Membership

GOLD = ("at", "answers", "latest", "share", "at_least")
PACE = ("at", "answers", "seconds")
"""What the columns of the charts are called here."""


class GoldPointTold(serializers.Serializer[Any]):
    """Gold answered up to then; counting begins anew with a reinstatement."""

    at = serializers.DateTimeField()
    answers = serializers.IntegerField()
    latest = serializers.FloatField(help_text="Share of the latest 20 that is right.")
    share = serializers.FloatField(help_text="Share of all that is right.")
    at_least = serializers.FloatField(help_text="What their share surely surpasses.")


class PacePointTold(serializers.Serializer[Any]):
    """Some answers one after the other, the last of them then."""

    at = serializers.DateTimeField()
    answers = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="Of one answer, the middle one.")


class LimitsTold(serializers.Serializer[Any]):
    """From where on the project watches workers, and stops them."""

    watched = serializers.FloatField()
    stopped = serializers.FloatField()


class CourseSerializer(serializers.Serializer[Any]):
    """Gold accuracy and pace over time, at most 200 points of each."""

    gold = GoldPointTold(many=True)
    gold_limits = LimitsTold(help_text="Shares, below which.")
    pace = PacePointTold(many=True)
    pace_limits = LimitsTold(help_text="Seconds, below which.")


class Course(ProjectView):
    @operation("read_worker_course", "workers", gives=CourseSerializer)
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """How a worker did over time: share of gold answered right, and seconds an answer."""
        members = Membership.objects.select_related("worker", "record", "project")
        member = get_object_or_404(members, project=self.project, pk=worker)
        gold, pace = gold_chart(member), pace_chart(member)
        told = {
            "gold": [dict(zip(GOLD, row, strict=True)) for row in gold.rows],
            "gold_limits": dict(gold.lines),
            "pace": [dict(zip(PACE, row, strict=True)) for row in pace.rows],
            "pace_limits": dict(pace.lines),
        }
        return Response(CourseSerializer(told).data)
