"""What accepted masks are worth to a model: asked for, watched, stopped."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.api.problems import Problem
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.results import comparisons
from annotation_site.results.models import Comparison
from annotation_site.results.usefulness import SETS, NothingToCompare

BUSY = "Another comparison of the project is under way, or it is."


class ArmTold(serializers.Serializer[Any]):
    """A training: what it learnt from beyond the initial set, and what came of it on the held-out images."""

    trained_on = serializers.ChoiceField(choices=list(SETS))
    repeat = serializers.IntegerField(help_text="Which of the trainings of this set, from 0.")
    images = serializers.IntegerField()
    masks = serializers.IntegerField()
    hours = serializers.FloatField(help_text="Of people, for them.")
    heldout_images = serializers.IntegerField()
    ap50 = serializers.FloatField(help_text="Average precision at IoU 0.5, 0 to 1.")
    ap75 = serializers.FloatField()
    objects = serializers.IntegerField(help_text="Annotated on the held-out images.")
    predictions = serializers.IntegerField()
    correct = serializers.FloatField(help_text="Share of the predictions.")


class ComparisonSerializer(serializers.ModelSerializer[Comparison]):
    """A comparison, how far it is, and what it measured by now."""

    round = serializers.IntegerField(source="round.number")
    asked_by = serializers.CharField(source="asked_by.username", allow_null=True, default=None)
    arms = ArmTold(many=True)

    class Meta:
        model = Comparison
        fields = (
            "id", "round", "seeds", "iterations", "asked_by", "asked_at", "state", "done", "total", "message",
            "error", "begun_at", "finished_at", "arms",
        )  # fmt: skip


class ComparisonBody(Body):
    """How it is measured."""

    seeds = serializers.IntegerField(
        min_value=1, max_value=comparisons.MOST_SEEDS, default=1, help_text="Trainings of each set."
    )
    iterations = serializers.IntegerField(
        min_value=1,
        max_value=comparisons.MOST_ITERATIONS,
        required=False,
        help_text="Of each training; by default as many as the detector is set to.",
    )


class Comparisons(ProjectView):
    @operation("list_comparisons", "results", query=PageQuery, gives=paged(ComparisonSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List what was compared, the newest first."""
        own = self.project.comparisons.select_related("asked_by", "round")
        return page(request, own, self.query(PageQuery), lambda one: ComparisonSerializer(one).data)

    @operation(
        "compare_usefulness", "results", body=ComparisonBody, gives=ComparisonSerializer,
        status=HTTPStatus.ACCEPTED, conflict=BUSY,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Have three models trained: of the initial set alone, with drawn and with accepted masks."""
        said = self.body(ComparisonBody)
        assert isinstance(request.user, User)
        try:
            made = comparisons.ask_for_comparison(
                project=self.project, by=request.user, at=timezone.now(), **said
            )
        except NothingToCompare as refusal:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing-to-compare", str(refusal)) from refusal
        except comparisons.ComparisonUnderWay as refusal:
            raise Problem(HTTPStatus.CONFLICT, "comparison-under-way", str(refusal)) from refusal
        enqueue.compare_usefulness(made.pk)
        address = reverse("api:comparison", args=[slug, made.pk], request=request)
        told = ComparisonSerializer(made).data
        return Response(told, status=HTTPStatus.ACCEPTED, headers={"Location": address})


class OneComparison(ProjectView):
    @operation("read_comparison", "results", gives=ComparisonSerializer)
    def get(self, request: Request, slug: str, comparison: int) -> Response:  # noqa: ARG002
        """How far a comparison is, and what it measured by now."""
        return Response(ComparisonSerializer(_comparison(self, comparison)).data)

    @operation("delete_comparison", "results", conflict="It is being stopped: delete it again then.")
    def delete(self, request: Request, slug: str, comparison: int) -> Response:  # noqa: ARG002
        """Delete a comparison; what was learnt stays for the next. One that somebody is at is stopped."""
        if not comparisons.forget(_comparison(self, comparison)):
            detail = "It is being stopped: delete it again then."
            raise Problem(HTTPStatus.CONFLICT, "comparison-under-way", detail)
        return Response(status=HTTPStatus.NO_CONTENT)


class StopComparison(ProjectView):
    @operation("stop_comparison", "results", gives=ComparisonSerializer)
    def post(self, request: Request, slug: str, comparison: int) -> Response:  # noqa: ARG002
        """Let whoever is at it end after the piece at hand; what was learnt is kept. Safe to repeat."""
        comparisons.stop_comparison(_comparison(self, comparison), at=timezone.now())
        return Response(ComparisonSerializer(_comparison(self, comparison)).data)


class GoOn(ProjectView):
    @operation("go_on_with_comparison", "results", gives=ComparisonSerializer, conflict=BUSY)
    def post(self, request: Request, slug: str, comparison: int) -> Response:  # noqa: ARG002
        """Go on with a comparison that was stopped or failed. Safe to repeat."""
        try:
            if comparisons.go_on(_comparison(self, comparison)):
                enqueue.compare_usefulness(comparison)
        except comparisons.ComparisonUnderWay as refusal:
            raise Problem(HTTPStatus.CONFLICT, "comparison-under-way", str(refusal)) from refusal
        return Response(ComparisonSerializer(_comparison(self, comparison)).data)


def _comparison(view: ProjectView, pk: int) -> Comparison:
    return get_object_or_404(view.project.comparisons.select_related("asked_by", "round"), pk=pk)
