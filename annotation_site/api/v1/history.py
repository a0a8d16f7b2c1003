"""Who changed what, and when: on a project for its admins, on the whole site for superusers."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import OuterRef, Subquery
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import PageQuery, page, paged
from annotation_site.api.v1.system import SystemView
from annotation_site.api.v1.views import ProjectView
from annotation_site.audit.models import Entry
from annotation_site.audit.watched import WATCHED
from annotation_site.catalog.models import Project
from annotation_site.dashboards.changes import entries

COLUMNS = {"type": ["object", "null"], "additionalProperties": {}}


class EntrySerializer(serializers.ModelSerializer[Entry]):
    """A row that was made, changed or deleted, with the columns that differ; of secrets only that they do."""

    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()

    class Meta:
        model = Entry
        fields: ClassVar[tuple[str, ...]] = (
            "id", "at", "who", "via", "request", "what", "row", "name", "change", "before", "after",
        )  # fmt: skip

    @extend_schema_field(COLUMNS)
    def get_before(self, entry: Entry) -> Any:
        return entry.before

    @extend_schema_field(COLUMNS)
    def get_after(self, entry: Entry) -> Any:
        return entry.after


class SiteEntrySerializer(EntrySerializer):
    """The same, with the project that the row belongs to."""

    project = serializers.CharField(
        allow_null=True, help_text="Its slug; null where it is gone, and for what belongs to no project."
    )
    project_id = serializers.IntegerField(
        allow_null=True, help_text="Its number, which stays when it is deleted."
    )

    class Meta(EntrySerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*EntrySerializer.Meta.fields, "project", "project_id")


class HistoryQuery(PageQuery):
    """Which changes."""

    who = serializers.CharField(max_length=150, required=False, trim_whitespace=False)
    what = serializers.ChoiceField(choices=[one.model for one in WATCHED], required=False)


class History(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("list_history", "history", query=HistoryQuery, gives=paged(EntrySerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List what was changed, the newest first."""
        asked = self.query(HistoryQuery)
        found = entries(project=self.project, who=asked.get("who", ""), what=asked.get("what", ""))
        return page(request, found, asked, lambda one: EntrySerializer(one).data)


class SiteHistory(SystemView):
    looking = Access.ADMIN

    @operation("list_site_history", "history", query=HistoryQuery, gives=paged(SiteEntrySerializer))
    def get(self, request: Request) -> Response:
        """List what was changed on the whole site, the newest first."""
        asked = self.query(HistoryQuery)
        found = entries(project=None, who=asked.get("who", ""), what=asked.get("what", ""))
        slugs = Project.objects.filter(pk=OuterRef("project_id")).values("slug")
        named = found.annotate(project=Subquery(slugs))
        return page(request, named, asked, lambda one: SiteEntrySerializer(one).data)
