"""The long steps of a round and rounds themselves: begun, watched, stopped."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db.models import Count
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, Whole, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.catalog.stages import start_over
from annotation_site.verification.long_tail import long_tail
from annotation_site.verification.next_round import start_round
from annotation_site.verification.opening import open_long_tail

STATES = [*StageRun.State.values, StageRun.INTERRUPTED]


class StageSerializer(serializers.ModelSerializer[StageRun]):
    """How far a stage is."""

    round = serializers.IntegerField(source="round.number")
    state = serializers.ChoiceField(choices=STATES, source="told")
    detail = serializers.SerializerMethodField(help_text="What it leaves to look at, as its losses.")

    class Meta:
        model = StageRun
        fields = (
            "stage", "round", "state", "done", "total", "message", "error", "stop_requested", "started_at",
            "heartbeat_at", "finished_at", "detail",
        )  # fmt: skip

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_detail(self, run: StageRun) -> Any:
        return run.detail


class StagesSerializer(serializers.Serializer[Any]):
    """All stages of a round, in order."""

    results = StageSerializer(many=True)


class RoundQuery(serializers.Serializer[Any]):
    """Of which round."""

    round = Whole(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Its number; by itself the current one."
    )


class RunBody(Body):
    """How far workers are to carry the round on."""

    until = serializers.ChoiceField(choices=StageRun.Stage.choices, default=StageRun.Stage.OPEN.value)
    again = serializers.ChoiceField(
        choices=StageRun.Stage.choices, required=False, help_text="Begin with this one, though it is done."
    )


class RoundSerializer(serializers.ModelSerializer[Round]):
    """One pass of train, detect, cluster, verify."""

    known_objects = serializers.IntegerField(help_text="Accepted before it: they are not asked about again.")
    calibration = serializers.SerializerMethodField()
    carry_on_to = serializers.CharField(help_text="The stage up to which workers go on by themselves.")

    class Meta:
        model = Round
        fields = (
            "number", "created_at", "detector", "feature_source", "carry_on_to", "k_pa", "same_iou",
            "better_by", "known_objects", "calibration",
        )  # fmt: skip

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {}})
    def get_calibration(self, round_: Round) -> Any:
        return round_.calibration


class NewRoundBody(Body):
    """The next round."""

    now = serializers.BooleanField(default=False, help_text="Though the current one has questions left.")
    least_gain = serializers.FloatField(min_value=0, max_value=1000, required=False)
    same_iou = serializers.FloatField(min_value=0, max_value=1, required=False)
    better_by = serializers.FloatField(min_value=0, max_value=1, required=False)


class LongTailSerializer(serializers.Serializer[Any]):
    """What of a round has masks, but no cluster of them to ask about."""

    categories = serializers.IntegerField()
    masks = serializers.IntegerField()
    asked = serializers.BooleanField(help_text="Whether people are asked about them mask by mask.")


class Stages(ProjectView):
    @operation("list_stages", "stages", query=RoundQuery, gives=StagesSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the stages of a round; those not begun are waiting."""
        number = self.query(RoundQuery).get("round")
        round_ = (
            current_round(self.project)
            if number is None
            else get_object_or_404(Round, project=self.project, number=number)
        )
        return Response(_stages(round_))


class StageRuns(ProjectView):
    @operation("run_stages", "stages", body=RunBody, gives=StagesSerializer, status=HTTPStatus.ACCEPTED)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Let workers carry the current round on, stage after stage; what failed is tried again."""
        said = self.body(RunBody)
        if "again" in said:
            start_over(current_round(self.project), StageRun.Stage(said["again"]))
        round_ = enqueue.run_pipeline(self.project, until=StageRun.Stage(said["until"]))
        return Response(_stages(round_), status=HTTPStatus.ACCEPTED)

    @operation("stop_stages", "stages", gives=StagesSerializer)
    def delete(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Let workers leave the round after the piece they are at; what is finished is kept."""
        enqueue.stop_pipeline(self.project)
        return Response(_stages(current_round(self.project)))


class Rounds(ProjectView):
    @operation("list_rounds", "rounds", query=PageQuery, gives=paged(RoundSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the rounds, the latest first."""
        own = Round.objects.filter(project=self.project).annotate(known_objects=Count("known"))
        return page(request, own, self.query(PageQuery), lambda one: RoundSerializer(one).data)

    @operation("start_round", "rounds", body=NewRoundBody, gives=RoundSerializer, status=HTTPStatus.CREATED)
    def post(self, request: Request, slug: str) -> Response:
        """Begin the next round, which knows what was accepted so far. It is carried on by the stages' run."""
        made = start_round(project=self.project, **self.body(NewRoundBody))
        made.known_objects = made.known.count()  # type: ignore[attr-defined]
        address = reverse("api:round", args=[slug, made.number], request=request)
        told = RoundSerializer(made).data
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class OneRound(ProjectView):
    @operation("read_round", "rounds", gives=RoundSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:  # noqa: ARG002
        """Read a round."""
        own = Round.objects.filter(project=self.project).annotate(known_objects=Count("known"))
        return Response(RoundSerializer(get_object_or_404(own, number=number)).data)


class LongTail(ProjectView):
    @operation("open_long_tail", "rounds", gives=LongTailSerializer)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Ask about the latest round's categories without a cluster, mask by mask."""
        open_long_tail(project=self.project, at=timezone.now())
        return Response(LongTailSerializer(long_tail(current_round(self.project))).data)


def _stages(round_: Round) -> Any:
    return StagesSerializer({"results": rows_of(round_, with_detail=True)}).data
