"""Bringing images in: from a folder of the server, a bucket, or by upload; watched, stopped, gone on with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, BinaryIO, ClassVar, cast

from django.contrib.auth.models import User
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.problems import Problem
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, Whole, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.models import Role
from annotation_site.catalog.originals import MAX_PIXELS
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.storage import artifacts
from annotation_site.preparing import imports, uploads
from annotation_site.preparing.models import ImportRun, UploadedFile

BIGGEST = 2**53
MOST_PIXELS = 10_000_000_000
OCTETS = "application/octet-stream"


class FileTold(serializers.ModelSerializer[UploadedFile]):
    """A file of an upload, and how much of it is there."""

    class Meta:
        model = UploadedFile
        fields = ("number", "name", "size", "received")


class ImportSerializer(serializers.ModelSerializer[ImportRun]):
    """An import, how far it is, and what it left out."""

    shares = serializers.DictField(child=serializers.FloatField(), help_text="Role -> share of the images.")
    report = serializers.SerializerMethodField()
    asked_by = serializers.CharField(source="asked_by.username", allow_null=True, default=None)

    class Meta:
        model = ImportRun
        fields = (
            "id", "source", "place", "annotations", "shares", "seed", "strict", "in_place", "asked_by",
            "asked_at", "state", "done", "total", "message", "error", "report", "begun_at", "finished_at",
        )  # fmt: skip

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_report(self, run: ImportRun) -> Any:
        return run.report


class UploadSerializer(ImportSerializer):
    """An import that waits for its files."""

    files = FileTold(many=True)

    class Meta(ImportSerializer.Meta):
        fields = (*ImportSerializer.Meta.fields, "files")  # type: ignore[assignment]


class SharesBody(Body):
    """Divides images among roles by their content; the shares come to 1."""

    initial = serializers.FloatField(min_value=0, max_value=1, default=0)
    heldout = serializers.FloatField(min_value=0, max_value=1, default=0)
    pool = serializers.FloatField(min_value=0, max_value=1, default=0)


class WishBody(Body):
    """How images are imported: as one `role`, or divided by `shares`."""

    role = serializers.ChoiceField(choices=Role.values, required=False)
    shares = SharesBody(required=False)
    seed = serializers.IntegerField(min_value=0, max_value=BIGGEST, default=0, help_text="Of the division.")
    annotations = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="The COCO file, by its name in the place."
    )
    strict = serializers.BooleanField(default=False, help_text="Import nothing if there is any problem.")
    max_pixels = serializers.IntegerField(
        min_value=1, max_value=MOST_PIXELS, default=MAX_PIXELS, help_text="Larger images are left out."
    )


class ImportBody(WishBody):
    """What to import from: below the setting IMPORT_FROM."""

    place = serializers.RegexField(
        NOT_BLANK, max_length=1000, help_text="A folder of the server, or s3://bucket/prefix."
    )
    in_place = serializers.BooleanField(default=False, help_text="Leave a folder's files where they are.")


class AnnouncedBody(Body):
    """A file that will be sent."""

    name = serializers.RegexField(NOT_BLANK, max_length=500)
    size = serializers.IntegerField(min_value=0, max_value=BIGGEST, help_text="Bytes.")


class UploadBody(WishBody):
    """Files to be sent: images, zips of them, a COCO file."""

    files = serializers.ListField(child=AnnouncedBody(), min_length=1, max_length=uploads.MOST_FILES)


class PieceQuery(serializers.Serializer[Any]):
    """Where in the file a piece begins."""

    at = Whole(min_value=0, max_value=BIGGEST, default=0)


class ReceivedSerializer(serializers.Serializer[Any]):
    """How many bytes of a file are there."""

    received = serializers.IntegerField()


class Octets(BaseParser):
    """Leaves a body as it is."""

    media_type = OCTETS

    def parse(self, stream: Any, *_arguments: Any, **_options: Any) -> Any:
        return stream


class Imports(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("list_imports", "imports", query=PageQuery, gives=paged(ImportSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List what was imported, the newest first."""
        own = ImportRun.objects.filter(project=self.project).select_related("asked_by")
        return page(request, own, self.query(PageQuery), lambda one: ImportSerializer(one).data)

    @operation(
        "import_images", "imports", body=ImportBody, gives=ImportSerializer, status=HTTPStatus.ACCEPTED
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Import a folder of the server or a bucket, by a worker. Again, only what is new is imported."""
        said = self.body(ImportBody)
        run = imports.ask_for_import(place=said["place"], wish=_wish(said), **_asked(self))
        enqueue.run_import(run.pk)
        return _begun(self, run, HTTPStatus.ACCEPTED)


class Uploads(ProjectView):
    @operation("begin_upload", "imports", body=UploadBody, gives=UploadSerializer, status=HTTPStatus.CREATED)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Announce files, then send their pieces; the same list again goes on with the upload it began."""
        said = self.body(UploadBody)
        files = [uploads.Announced(one["name"], one["size"]) for one in said["files"]]
        run = imports.begin_upload(files=files, wish=_wish(said), **_asked(self))
        return _begun(self, run, HTTPStatus.CREATED)


class OneImport(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("read_import", "imports", gives=UploadSerializer)
    def get(self, request: Request, slug: str, run: int) -> Response:  # noqa: ARG002
        """How far an import is; of an upload, which bytes are there."""
        return Response(UploadSerializer(_run(self, run)).data)

    @operation("discard_import", "imports")
    def delete(self, request: Request, slug: str, run: int) -> Response:  # noqa: ARG002
        """Forget an import and what was uploaded for it; its images stay. One that runs is stopped."""
        imports.discard(_run(self, run))
        return Response(status=HTTPStatus.NO_CONTENT)


class Piece(ProjectView):
    parser_classes = (Octets,)

    @operation("send_piece", "imports", query=PieceQuery, body={OCTETS: bytes}, gives=ReceivedSerializer)
    def put(self, request: Request, slug: str, run: int, number: int) -> Response:  # noqa: ARG002
        """Send a piece of a file: 8 MiB, the last one what is left. An `at` that does not follow is a 409."""
        files = UploadedFile.objects.select_related("run").filter(run__project=self.project)
        file = get_object_or_404(files, run=run, number=number)
        at = self.query(PieceQuery)["at"]
        try:
            received = uploads.receive(file=file, at=at, content=cast(BinaryIO, request._request))
        except uploads.OutOfOrder as error:
            raise Problem(HTTPStatus.CONFLICT, "out-of-order", str(error)) from error
        return Response({"received": received})


class FinishUpload(ProjectView):
    @operation("finish_upload", "imports", gives=ImportSerializer)
    def post(self, request: Request, slug: str, run: int) -> Response:  # noqa: ARG002
        """Let a worker import an upload whose files are all there. Safe to repeat."""
        found = _run(self, run)
        uploads.finish(found)
        enqueue.run_import(found.pk)
        return Response(ImportSerializer(found).data)


class StopImport(ProjectView):
    @operation("stop_import", "imports", gives=ImportSerializer)
    def post(self, request: Request, slug: str, run: int) -> Response:  # noqa: ARG002
        """Let whoever is at it end after the batch at hand; what is imported stays. Safe to repeat."""
        imports.stop_import(_run(self, run), at=timezone.now())
        return Response(ImportSerializer(_run(self, run)).data)


class GoOn(ProjectView):
    @operation("go_on_with_import", "imports", gives=ImportSerializer)
    def post(self, request: Request, slug: str, run: int) -> Response:  # noqa: ARG002
        """Try an import again that was stopped or failed. Safe to repeat."""
        if imports.go_on(_run(self, run)):
            enqueue.run_import(run)
        return Response(ImportSerializer(_run(self, run)).data)


class Problems(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("read_import_problems", "imports", gives="application/jsonl")
    def get(self, request: Request, slug: str, run: int) -> FileResponse:  # noqa: ARG002
        """Everything that an import left out, a JSON object a line."""
        name = imports.problems_name(_run(self, run))
        if not artifacts().exists(name):
            raise Http404("It left nothing out.")
        return FileResponse(
            artifacts().open(name), filename="problems.jsonl", content_type="application/jsonl"
        )


def _asked(view: ProjectView) -> dict[str, Any]:
    assert isinstance(view.request.user, User)
    return {"project": view.project, "by": view.request.user, "at": timezone.now()}


def _wish(said: dict[str, Any]) -> imports.Wish:
    shares = said.get("shares")
    if (shares is None) == ("role" not in said):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "role-unclear", "Give a role, or shares.")
    roles = (
        RoleShares.all(Role(said["role"]))
        if shares is None
        else RoleShares({Role(role): share for role, share in shares.items()}, said["seed"])
    )
    return imports.Wish(
        roles=roles,
        annotations=said["annotations"],
        strict=said["strict"],
        in_place=said.get("in_place", False),
        max_pixels=said["max_pixels"],
    )


def _begun(view: ProjectView, run: ImportRun, status: HTTPStatus) -> Response:
    address = reverse("api:import", args=[view.project.slug, run.pk], request=view.request)
    kind = UploadSerializer if status == HTTPStatus.CREATED else ImportSerializer
    return Response(kind(run).data, status=status, headers={"Location": address})


def _run(view: ProjectView, pk: int) -> ImportRun:
    own = ImportRun.objects.select_related("asked_by")
    return get_object_or_404(own, project=view.project, pk=pk)
