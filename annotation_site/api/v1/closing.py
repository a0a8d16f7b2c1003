"""Putting projects away, deleting them, and what stays of those that are gone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, page, paged
from annotation_site.api.v1.views import ApiView, ProjectView, check_scope, token_of
from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.closing import archiving, deleting
from annotation_site.closing.deleting import ask_for_deletion, goods_of
from annotation_site.closing.models import Deletion, StatementLine
from annotation_site.closing.obstacles import obstacles
from annotation_site.closing.statements import deletions_of, owed_on, with_totals


class DeletionQuery(serializers.Serializer[Any]):
    """That it is meant."""

    name = serializers.CharField(max_length=120, help_text="The project's name, typed to confirm.")
    keep_answers = serializers.BooleanField(
        default=True, help_text="Keep the log of all answers with the closing statement."
    )


class TotalsTold(serializers.Serializer[Any]):
    """What was answered and paid, over all workers."""

    questions = serializers.IntegerField()
    earned = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="Without fees.")
    fees = serializers.DecimalField(max_digits=14, decimal_places=4)
    paid = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="By hand, or there.")
    declined = serializers.DecimalField(max_digits=14, decimal_places=4, help_text="Rejected there.")


class DeletionSerializer(serializers.ModelSerializer[Deletion]):
    """A project that is deleted, or being; its closing statement in sum."""

    totals = serializers.SerializerMethodField()

    class Meta:
        model = Deletion
        fields: ClassVar = (
            "id", "slug", "name", "currency", "asked_by", "asked_at", "keeps_answers", "state", "done",
            "total", "message", "error", "finished_at", "totals",
        )  # fmt: skip

    @extend_schema_field(TotalsTold)
    def get_totals(self, deletion: Deletion) -> Any:
        return TotalsTold(deletion).data


class ForeseenDeletionSerializer(serializers.Serializer[Any]):
    """What would go with the project, what would stay, and what stands in the way."""

    images = serializers.IntegerField(source="goods.images", help_text="That were copied here, and go.")
    in_place = serializers.IntegerField(
        source="goods.in_place", help_text="Images that stay where they are, of which only the rows go."
    )
    masks = serializers.IntegerField(source="goods.masks")
    answers = serializers.IntegerField(source="goods.answers", help_text="Their log may be kept.")
    exports = serializers.IntegerField(source="goods.exports")
    owed = serializers.DecimalField(
        max_digits=14,
        decimal_places=4,
        help_text="To workers, as far as was noted; nobody can note it after.",
    )
    currency = serializers.CharField()
    obstacles = serializers.ListField(
        child=serializers.CharField(), help_text="While there are any, it cannot be deleted."
    )


class LineSerializer(serializers.ModelSerializer[StatementLine]):
    """One worker's part of a closing statement."""

    class Meta:
        model = StatementLine
        fields: ClassVar = (
            "worker", "name", "provider", "external_id", "questions", "earned", "fees", "paid", "declined",
        )  # fmt: skip


class Archive(ProjectView):
    needs: ClassVar = {"GET": Access.OWNER}
    while_archived = ("POST", "DELETE")

    @operation("foresee_deletion", "projects", gives=ForeseenDeletionSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Tell what deleting the project would take and leave, and what stands in its way. For owners."""
        told = {
            "goods": goods_of(self.project),
            "obstacles": obstacles(self.project),
            "owed": owed_on(self.project),
            "currency": budget_of(self.project).currency,
        }
        return Response(ForeseenDeletionSerializer(told).data)

    @operation("archive_project", "projects")
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Put the project away: it is only read from then on, and nobody works on it."""
        archiving.archive(project=self.project, at=timezone.now())
        enqueue.send("maskgrove.deliver_actions")
        return Response(status=HTTPStatus.NO_CONTENT)

    @operation("take_out_project", "projects")
    def delete(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Take the project out of the archive: a draft, or paused where people were asked."""
        archiving.take_out(project=self.project)
        return Response(status=HTTPStatus.NO_CONTENT)


class DeletionView(ApiView):
    """What stays is for owners, by tokens that are good for a project's money, and for all projects."""

    found: QuerySet[Deletion]

    def admit(self, request: Request, **_places: Any) -> None:
        check_scope(request, Access.ADMIN)
        token = token_of(request)
        reaches = token is None or not token.is_restricted
        self.found = with_totals(deletions_of(request.user) if reaches else Deletion.objects.none())


class Deletions(DeletionView):
    @operation("list_deletions", "projects", query=PageQuery, gives=paged(DeletionSerializer))
    def get(self, request: Request) -> Response:
        """List the projects that you owned and that were deleted, the latest first."""
        return page(request, self.found, self.query(PageQuery), lambda one: DeletionSerializer(one).data)


class OneDeletion(DeletionView):
    @operation("read_deletion", "projects", gives=DeletionSerializer)
    def get(self, request: Request, deletion: int) -> Response:  # noqa: ARG002
        """How far a deletion is, and what stays."""
        return _told(self, deletion)


class StopDeletion(DeletionView):
    @operation("stop_deletion", "projects", gives=DeletionSerializer)
    def post(self, request: Request, deletion: int) -> Response:  # noqa: ARG002
        """Let whoever is at it end after the batch at hand; what is gone stays gone. Safe to repeat."""
        deleting.stop(get_object_or_404(self.found, pk=deletion), at=timezone.now())
        return _told(self, deletion)


class GoOn(DeletionView):
    @operation("go_on_with_deletion", "projects", gives=DeletionSerializer)
    def post(self, request: Request, deletion: int) -> Response:  # noqa: ARG002
        """Go on with a deletion that was stopped or failed. Safe to repeat."""
        if deleting.go_on(get_object_or_404(self.found, pk=deletion)):
            enqueue.delete_project(deletion)
        return _told(self, deletion)


class Statement(DeletionView):
    @operation("read_statement", "projects", query=PageQuery, gives=paged(LineSerializer))
    def get(self, request: Request, deletion: int) -> Response:
        """List what was paid to whom, by the number of the worker."""
        lines, asked = get_object_or_404(self.found, pk=deletion).lines.all(), self.query(PageQuery)
        return page(request, lines, asked, lambda one: LineSerializer(one).data, ascending=True)


class KeptAnswers(DeletionView):
    @operation("read_kept_answers", "projects", gives="text/csv")
    def get(self, request: Request, deletion: int) -> HttpResponseBase:  # noqa: ARG002
        """The answer log that was kept, as CSV."""
        found = get_object_or_404(self.found.exclude(answers=""), pk=deletion)
        if not artifacts().exists(found.answers):
            raise Http404("The file is not there any more.")
        name = found.answers.rsplit("/", 1)[-1]
        opened = artifacts().open(found.answers)
        return FileResponse(opened, as_attachment=True, filename=name, content_type="text/csv")


def _told(view: DeletionView, deletion: int) -> Response:
    return Response(DeletionSerializer(get_object_or_404(view.found, pk=deletion)).data)


def delete(project: Project, said: dict[str, Any], request: Request) -> Response:
    """Let a worker delete a project, and tell where one sees how far it is."""
    assert isinstance(request.user, User)
    made = ask_for_deletion(project=project, by=request.user, at=timezone.now(), **said)
    enqueue.delete_project(made.pk)
    headers = {"Location": reverse("api:deletion", args=[made.pk], request=request)}
    told = with_totals(Deletion.objects.filter(pk=made.pk)).get()
    return Response(DeletionSerializer(told).data, status=HTTPStatus.ACCEPTED, headers=headers)
