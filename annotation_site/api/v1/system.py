"""The machine room: queues, workers, stages of all projects, storages. For superusers alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.problems import Problem
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, paged, paged_response, rows_of_page
from annotation_site.api.v1.stages import STATES
from annotation_site.api.v1.views import SAFE, ApiView, check_scope, check_unrestricted
from annotation_site.catalog.models import StageRun
from annotation_site.catalog.stages import orphaned
from annotation_site.dashboards import system

BEGUN = [state for state in StageRun.State.values if state != StageRun.State.WAITING]


class RoomTold(serializers.Serializer[Any]):
    """A storage that is a folder, and the disk it lies on."""

    name = serializers.CharField()
    place = serializers.CharField()
    free = serializers.IntegerField(help_text="Bytes.")
    total = serializers.IntegerField(help_text="Bytes.")


class BucketTold(serializers.Serializer[Any]):
    """A storage that is elsewhere; how full it is is told there."""

    name = serializers.CharField()
    place = serializers.CharField(help_text="As s3://bucket/prefix.")


class SystemSerializer(serializers.Serializer[Any]):
    """What waits, and how much room is left."""

    queues = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Messages that wait in each; empty while the broker is away.",
    )
    storages = RoomTold(many=True)
    buckets = BucketTold(many=True)
    database = serializers.IntegerField(help_text="Bytes.")


class SystemWorkerSerializer(serializers.Serializer[Any]):
    """A process that takes work from queues."""

    name = serializers.CharField()
    queues = serializers.ListField(child=serializers.CharField())
    gpus = serializers.ListField(child=serializers.CharField())
    tasks = serializers.ListField(child=serializers.CharField(), help_text="What it is at.")


class SystemWorkersSerializer(serializers.Serializer[Any]):
    """All workers that answer."""

    results = SystemWorkerSerializer(many=True)


class SystemStageSerializer(serializers.ModelSerializer[StageRun]):
    """A stage of a project's round: under way, done, stopped or failed."""

    project = serializers.CharField(source="round.project.slug")
    round = serializers.IntegerField(source="round.number")
    state = serializers.ChoiceField(choices=STATES, source="told")

    class Meta:
        model = StageRun
        fields = (
            "id", "project", "round", "stage", "state", "done", "total", "message", "error", "started_at",
            "heartbeat_at", "finished_at",
        )  # fmt: skip


class StageQuery(PageQuery):
    """Which stages."""

    state = serializers.ChoiceField(
        choices=BEGUN, required=False, help_text="As it is kept: of those that run, some may be interrupted."
    )


class SystemView(ApiView):
    """For superusers, by tokens that are for all projects."""

    looking: ClassVar[Access] = Access.VIEWER
    """What the token of who only reads must be good for."""

    def admit(self, request: Request, **_places: Any) -> None:
        if not getattr(request.user, "is_superuser", False):
            raise Problem(HTTPStatus.FORBIDDEN, "superusers-only", "The machine room is for superusers.")
        check_scope(request, self.looking if request.method in SAFE else Access.ADMIN)
        check_unrestricted(request)


class System(SystemView):
    @operation("read_system", "system", gives=SystemSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Tell what waits in the queues, and how much room is left."""
        told = {
            "queues": system.queues(),
            "storages": system.rooms(),
            "buckets": [{"name": name, "place": place} for name, place in system.buckets()],
            "database": system.database_size(),
        }
        return Response(SystemSerializer(told).data)


class SystemWorkers(SystemView):
    @operation("list_system_workers", "system", gives=SystemWorkersSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """List the workers that are alive; it takes the second that they have to answer in."""
        return Response(SystemWorkersSerializer({"results": enqueue.workers()}).data)


class SystemStages(SystemView):
    @operation("list_system_stages", "system", query=StageQuery, gives=paged(SystemStageSerializer))
    def get(self, request: Request) -> Response:
        """List the stages of all projects in use that were begun, the newest first."""
        asked, found = self.query(StageQuery), system.stage_runs()
        if "state" in asked:
            found = found.filter(state=asked["state"])
        shown, after = rows_of_page(found, asked)
        for run in orphaned(shown):
            run.is_interrupted = True
        return paged_response(request, [SystemStageSerializer(run).data for run in shown], after)


class RetryStage(SystemView):
    @operation("retry_stage", "system", gives=SystemStageSerializer)
    def post(self, request: Request, stage: int) -> Response:  # noqa: ARG002
        """Let workers carry on a stage that failed or was stopped, and what was wanted after it."""
        run = get_object_or_404(StageRun.objects.select_related("round__project"), pk=stage)
        system.retry_stage(run)
        run.refresh_from_db(fields=["state", "error", "message"])
        return Response(SystemStageSerializer(run).data)
