"""The examples by which workers learn the rule; which of them are shown. For admins alone."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse as address_of
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.people.qualification import lessons
from annotation_site.people.qualification.models import Lesson


class ExampleSerializer(serializers.ModelSerializer[Lesson]):
    """A real mask whose answer the instructions tell."""

    category = serializers.CharField(source="category.name")
    image = serializers.IntegerField(source="image_id")
    bbox = serializers.ListField(
        source="box", child=serializers.FloatField(), help_text="x, y, width, height in pixels."
    )
    left_out = serializers.BooleanField(help_text="Whether it is shown no more.")
    crop = serializers.CharField(help_text="The address of its photo, as workers see it.")

    class Meta:
        model = Lesson
        fields = ("id", "category", "image", "bbox", "origin", "is_correct", "left_out", "crop")


class ExampleBody(Body):
    """Whether it is shown."""

    left_out = serializers.BooleanField()


class ExampleView(ProjectView):
    """A view on examples, those left out too."""

    needs: ClassVar = {"GET": Access.ADMIN}

    def examples(self) -> QuerySet[Lesson]:
        own = Lesson.objects.filter(project=self.project, is_example=True)
        return own.select_related("category").defer("counts")

    def told(self, lesson: Any) -> Any:
        lesson.left_out = lesson.left_out_at is not None
        lesson.crop = self.request.build_absolute_uri(address_of("pages:example", args=[lesson.key]))
        return ExampleSerializer(lesson).data


class Examples(ExampleView):
    @operation("list_examples", "instructions", query=PageQuery, gives=paged(ExampleSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the examples of all categories."""
        return page(request, self.examples(), self.query(PageQuery), self.told, ascending=True)


class OneExample(ExampleView):
    @operation("read_example", "instructions", gives=ExampleSerializer)
    def get(self, request: Request, slug: str, example: int) -> Response:  # noqa: ARG002
        """Read an example."""
        return Response(self._told(example))

    @operation("change_example", "instructions", body=ExampleBody, gives=ExampleSerializer)
    def patch(self, request: Request, slug: str, example: int) -> Response:  # noqa: ARG002
        """Leave an example out, or show it again."""
        said = self.body(ExampleBody, partial=True)
        with self.matching(partial(self._told, example), self.project.lessons.filter(pk=example)):
            found = get_object_or_404(self.examples(), pk=example)
            if said.get("left_out") is True:
                lessons.leave_out(lesson=found, at=timezone.now())
            elif said.get("left_out") is False:
                lessons.take_back_in(lesson=found)
        return Response(self._told(example))

    def _told(self, pk: int) -> Any:
        return self.told(get_object_or_404(self.examples(), pk=pk))
