"""Every answer of a worker, with what others say of the same mask."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, paged, paged_response
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards.workers.answers import FILTERS, answers_page
from annotation_site.dashboards.workers.views import member_of


class AnswerSerializer(serializers.Serializer[Any]):
    """An answer, also one that does not count any more; those to gold are for admins alone."""

    id = serializers.IntegerField(source="judgment.pk")
    at = serializers.DateTimeField(source="judgment.at")
    says = serializers.CharField(source="judgment.says")
    elapsed_ms = serializers.IntegerField(source="judgment.elapsed_ms")
    category = serializers.CharField(source="judgment.question.category.name")
    image = serializers.IntegerField(source="outlined.image_id")
    mask = serializers.IntegerField(source="judgment.question.mask_id", allow_null=True)
    gold = serializers.IntegerField(source="judgment.question.gold_id", allow_null=True)
    is_right = serializers.BooleanField(allow_null=True, help_text="Of gold; null for what is none.")
    others = serializers.ListField(child=serializers.CharField(), help_text="What others say of that mask.")
    disagrees = serializers.BooleanField(help_text="Whether others contradict it, also about its cluster.")
    decision = serializers.IntegerField(
        source="decision.pk", allow_null=True, default=None, help_text="The latest on its cluster."
    )
    retracted_at = serializers.DateTimeField(source="judgment.retracted_at", allow_null=True)
    retracted_because = serializers.CharField(source="judgment.retracted_because")


class AnswerQuery(PageQuery):
    """Which answers."""

    which = serializers.ChoiceField(
        choices=[name for name in FILTERS if name],
        required=False,
        help_text="Gold that was missed, all gold, contradicted ones, fast ones, those gone.",
    )


class Answers(ProjectView):
    @operation("list_answers", "workers", query=AnswerQuery, gives=paged(AnswerSerializer))
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """List a worker's answers, the latest first."""
        asked = self.query(AnswerQuery)
        found = answers_page(
            member_of(self.project, worker),
            which=asked.get("which", ""),
            before=int(asked["cursor"]) if "cursor" in asked else None,
            gold=self.access.includes(Access.ADMIN),
            size=asked["limit"],
        )
        rows = [AnswerSerializer(one).data for one in found.rows]
        return paged_response(request, rows, None if found.before is None else str(found.before))
