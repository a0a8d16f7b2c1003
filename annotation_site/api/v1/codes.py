"""Codes by which anyone becomes a worker of the project. For admins alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.urls import reverse as address_of
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.marketplaces import team
from annotation_site.people.models import JoinLink


class CodeSerializer(serializers.ModelSerializer[JoinLink]):
    """A code that is good until it is revoked."""

    link = serializers.CharField(help_text="Whoever follows it becomes a worker.")

    class Meta:
        model = JoinLink
        fields = ("id", "code", "link", "created_at")


class Codes(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("list_codes", "workers", query=PageQuery, gives=paged(CodeSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the codes that are good, the newest first."""
        good = JoinLink.objects.filter(project=self.project, revoked_at__isnull=True)
        return page(request, good, self.query(PageQuery), self._told)

    @operation("make_code", "workers", gives=CodeSerializer, status=HTTPStatus.CREATED)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Make a code; hand it out, or its link."""
        return Response(self._told(team.new_code(self.project)), status=HTTPStatus.CREATED)

    def _told(self, code: Any) -> Any:
        code.link = self.request.build_absolute_uri(address_of("pages:join", args=[code.code]))
        return CodeSerializer(code).data


class OneCode(ProjectView):
    @operation("revoke_code", "workers")
    def delete(self, request: Request, slug: str, code: int) -> Response:  # noqa: ARG002
        """Let nobody join by a code any more; those who did stay. Safe to repeat."""
        team.revoke_code(link=get_object_or_404(JoinLink, pk=code, project=self.project), at=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)
