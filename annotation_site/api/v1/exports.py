"""Taking the data out: exports, the report, the figures of the dataset."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpResponseBase, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.jobs import State
from annotation_site.catalog.storage import artifacts
from annotation_site.dashboards.dataset import SECONDS
from annotation_site.results.dataset import count_on
from annotation_site.results.export_files import ask_for_export, delete_export, retry_export, stop_export
from annotation_site.results.exporting import INCLUDE
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from annotation_site.results.measured import measured, recent_version
from annotation_site.results.models import ExportFile


class ExportSerializer(serializers.ModelSerializer[ExportFile]):
    """An export, what made it and what became of it."""

    asked_by = serializers.CharField(source="asked_by.username", allow_null=True, default=None)

    class Meta:
        model = ExportFile
        fields = (
            "id", "format", "include", "round_number", "every_image", "asked_by", "asked_at", "state", "done",
            "total", "error", "begun_at", "finished_at", "entries", "size", "sha256",
        )  # fmt: skip


class ExportBody(Body):
    """What to export."""

    format = serializers.ChoiceField(choices=[(name, row.label) for name, row in FORMATS.items()])
    include = serializers.ChoiceField(choices=list(INCLUDE), default="accepted")
    round_number = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Only masks of this round."
    )
    every_image = serializers.BooleanField(default=False, help_text="List images without such a mask, too.")


class MeasuresTold(serializers.Serializer[Any]):
    """Against ground truth; null where there is none."""

    precision = serializers.FloatField(allow_null=True)
    sq = serializers.FloatField(allow_null=True)
    coverage = serializers.FloatField(allow_null=True)


class CategoryReportTold(MeasuresTold):
    """A category's part."""

    category = serializers.CharField()
    long_tail = serializers.BooleanField()
    masks = serializers.IntegerField()
    accepted_masks = serializers.IntegerField()
    questions = serializers.IntegerField()
    questions_per_accepted_mask = serializers.FloatField(allow_null=True)


class ReportSerializer(MeasuresTold):
    """What a project brought and what it cost, as `manage.py report --json`."""

    project = serializers.CharField()
    measured_at = serializers.DateTimeField()
    accepted_masks = serializers.IntegerField()
    annotated_images = serializers.IntegerField()
    questions = serializers.IntegerField()
    gold_questions = serializers.IntegerField()
    questions_per_accepted_mask = serializers.FloatField(allow_null=True)
    seconds_per_question = serializers.FloatField()
    time_is_measured = serializers.BooleanField()
    initial_masks = serializers.IntegerField()
    verification_hours = serializers.FloatField()
    initial_hours = serializers.FloatField()
    human_hours = serializers.FloatField()
    drawing_hours = serializers.FloatField()
    speed_up = serializers.FloatField(allow_null=True)
    categories = CategoryReportTold(many=True)
    rounds = serializers.ListField(child=serializers.DictField(child=serializers.JSONField()))


class SetTold(serializers.Serializer[Any]):
    """Counts over one set of masks."""

    masks = serializers.IntegerField()
    images = serializers.IntegerField()
    per_image = serializers.ListField(
        child=serializers.IntegerField(), help_text="Images with 1, 2, … 30 masks or more."
    )
    centres = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="32 × 32, by row."
    )
    sizes = serializers.ListField(
        child=serializers.IntegerField(), help_text="By the root of the box's share of the photo, by 0.05."
    )


class CategoryCountTold(serializers.Serializer[Any]):
    """Masks of a category."""

    name = serializers.CharField()
    accepted = serializers.IntegerField()
    initial = serializers.IntegerField()


class FiguresTold(serializers.Serializer[Any]):
    """The accepted masks beside the initial set."""

    accepted = SetTold()
    initial = SetTold()
    categories = CategoryCountTold(many=True)


class DatasetSerializer(serializers.Serializer[Any]):
    """How far counting is; the figures once it is through: ask again until they are there."""

    done = serializers.IntegerField()
    of = serializers.IntegerField()
    figures = FiguresTold(allow_null=True)


class Exports(ProjectView):
    while_archived = ("POST",)

    @operation("list_exports", "exports", query=PageQuery, gives=paged(ExportSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List what was exported, the newest first."""
        own = ExportFile.objects.filter(project=self.project).select_related("asked_by")
        return page(request, own, self.query(PageQuery), lambda one: ExportSerializer(one).data)

    @operation(
        "ask_for_export", "exports", body=ExportBody, gives=ExportSerializer, status=HTTPStatus.ACCEPTED
    )
    def post(self, request: Request, slug: str) -> Response:
        """Ask for an export; a worker writes it. Its state tells when it can be downloaded."""
        said = self.body(ExportBody)
        choice = Choice(said["include"], said.get("round_number"), said["every_image"])
        assert isinstance(request.user, User)
        made = ask_for_export(
            project=self.project,
            format_name=said["format"],
            choice=choice,
            by=request.user,
            at=timezone.now(),
        )
        enqueue.write_export(made.pk)
        address = reverse("api:export", args=[slug, made.pk], request=request)
        told = ExportSerializer(made).data
        return Response(told, status=HTTPStatus.ACCEPTED, headers={"Location": address})


class OneExport(ProjectView):
    while_archived = ("DELETE",)

    @operation("read_export", "exports", gives=ExportSerializer)
    def get(self, request: Request, slug: str, export: int) -> Response:  # noqa: ARG002
        """How far an export is."""
        return Response(ExportSerializer(_export(self, export)).data)

    @operation("delete_export", "exports")
    def delete(self, request: Request, slug: str, export: int) -> Response:  # noqa: ARG002
        """Delete an export and its file. One that is being written is stopped; delete it again then."""
        delete_export(_export(self, export))
        return Response(status=HTTPStatus.NO_CONTENT)


class StopExport(ProjectView):
    while_archived = ("POST",)

    @operation("stop_export", "exports", gives=ExportSerializer)
    def post(self, request: Request, slug: str, export: int) -> Response:  # noqa: ARG002
        """Let whoever writes it end; nothing of it is kept. Safe to repeat."""
        stop_export(_export(self, export), at=timezone.now())
        return Response(ExportSerializer(_export(self, export)).data)


class RetryExport(ProjectView):
    while_archived = ("POST",)

    @operation("retry_export", "exports", gives=ExportSerializer)
    def post(self, request: Request, slug: str, export: int) -> Response:  # noqa: ARG002
        """Let a worker write an export anew that was stopped or failed; any other stays. Safe to repeat."""
        if retry_export(_export(self, export)):
            enqueue.write_export(export)
        return Response(ExportSerializer(_export(self, export)).data)


class ExportDownload(ProjectView):
    @operation(
        "download_export",
        "exports",
        gives="application/octet-stream",
    )
    def get(self, request: Request, slug: str, export: int) -> HttpResponseBase:  # noqa: ARG002
        """The file of an export that is done; its ETag is its SHA-256."""
        found = _export(self, export)
        if found.state != State.DONE or not artifacts().exists(found.path):
            raise Http404("The file is not there: the export's state tells why.")
        etag = f'"{found.sha256}"'
        if isinstance(
            unchanged := get_conditional_response(request._request, etag=etag), HttpResponseNotModified
        ):
            return unchanged
        name = found.path.rsplit("/", 1)[-1]
        opened = artifacts().open(found.path)
        return FileResponse(
            opened,
            as_attachment=True,
            filename=name,
            content_type="application/octet-stream",
            headers={"ETag": etag},
        )


class Report(ProjectView):
    @operation("read_report", "results", gives=ReportSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """What the project brought and what it cost, measured where ground truth exists."""
        found = measured(self.project, at=timezone.now())
        return Response(ReportSerializer({**found.figures, "measured_at": found.at}).data)


class Dataset(ProjectView):
    @operation("read_dataset", "results", gives=DatasetSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Masks per image, centres, sizes and categories of the accepted masks beside the initial set."""
        counting = count_on(self.project, seconds=SECONDS, version=recent_version(self.project))
        figures = None if counting.figures is None else counting.figures.to_json()
        if figures is not None:
            names = ("name", "accepted", "initial")
            figures["categories"] = [dict(zip(names, row, strict=True)) for row in figures["categories"]]
        told = {"done": counting.done, "of": counting.of, "figures": figures}
        return Response(DatasetSerializer(told).data)


def _export(view: ProjectView, pk: int) -> ExportFile:
    own = ExportFile.objects.select_related("asked_by")
    return get_object_or_404(own, project=view.project, pk=pk)
