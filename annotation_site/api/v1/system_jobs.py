"""Imports, exports, estimates and deletions of all projects, and another try of one. For superusers alone."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, page, paged
from annotation_site.api.v1.system import SystemView
from annotation_site.catalog.jobs import State
from annotation_site.dashboards import background
from annotation_site.dashboards.background import KINDS
from annotation_site.dashboards.system import NothingToRetry
from annotation_site.preparing.models import UPLOADING

STATES = (UPLOADING, *State.values)
KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(KINDS))


class SystemJobSerializer(serializers.Serializer[Any]):
    """An import, an export, an estimate, a comparison or a deletion, and how far it is."""

    id = serializers.IntegerField(source="job.pk")
    kind = serializers.ChoiceField(choices=list(KINDS))
    project = serializers.CharField(
        source="project.slug", allow_null=True, default=None, help_text="Null where it is being deleted."
    )
    name = serializers.CharField(help_text="The project's.")
    state = serializers.ChoiceField(source="job.state", choices=STATES)
    done = serializers.IntegerField(source="job.done")
    total = serializers.IntegerField(source="job.total")
    message = serializers.CharField(source="job.message")
    error = serializers.CharField(source="job.error")
    begun_at = serializers.DateTimeField(source="job.begun_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="job.finished_at", allow_null=True)


class JobQuery(PageQuery):
    """Which of them."""

    state = serializers.ChoiceField(choices=STATES, required=False)


class SystemJobs(SystemView):
    @operation("list_system_jobs", "system", query=JobQuery, gives=paged(SystemJobSerializer), places=[KIND])
    def get(self, request: Request, kind: str) -> Response:
        """List the imports, exports or estimates of all projects in use, or deletions, the newest first."""
        asked, found = self.query(JobQuery), background.jobs_of(_known(kind))
        if "state" in asked:
            found = found.filter(state=asked["state"])
        return page(
            request, found, asked, lambda job: SystemJobSerializer(background.work_of(kind, job)).data
        )


class RetryJob(SystemView):
    @operation("retry_job", "system", gives=SystemJobSerializer, places=[KIND])
    def post(self, request: Request, kind: str, job: int) -> Response:  # noqa: ARG002
        """Let workers try one again that failed or was stopped."""
        found = get_object_or_404(KINDS[_known(kind)].model._default_manager, pk=job)
        if not background.retry(kind, found):
            raise NothingToRetry(
                f"The {kind} is {found.state}: only what failed or was stopped is tried again."
            )
        found.refresh_from_db()
        return Response(SystemJobSerializer(background.work_of(kind, found)).data)


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise Http404(f"No work is called {kind}; there are {', '.join(KINDS)}.")
    return kind
