"""Kinds of objects: which there are, and what workers are told of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.changing import add_categories, free_id, remove_category
from annotation_site.catalog.instructing import LONGEST, set_guide
from annotation_site.catalog.models import Category
from pipeline.coco import CocoCategory

MOST_CATEGORIES = 2000


class CategorySerializer(serializers.ModelSerializer[Category]):
    """A kind of object, as in COCO."""

    class Meta:
        model = Category
        fields = ("id", "coco_id", "name", "supercategory", "guide")


class CategoriesSerializer(serializers.Serializer[Any]):
    """Categories that were added."""

    results = CategorySerializer(many=True)


class CategoryBody(Body):
    """A kind of object; without an id it is numbered."""

    id = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    name = serializers.RegexField(NOT_BLANK, max_length=120)
    supercategory = serializers.CharField(max_length=120, required=False, allow_blank=True)


class CategoriesBody(Body):
    """Categories as a COCO file has them."""

    categories = serializers.ListField(child=CategoryBody(), min_length=1, max_length=MOST_CATEGORIES)


class GuideBody(Body):
    """What a right outline is, in Markdown."""

    guide = serializers.CharField(max_length=LONGEST, allow_blank=True)


class Categories(ProjectView):
    @operation("list_categories", "instructions", query=PageQuery, gives=paged(CategorySerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the categories with their guides."""
        own = Category.objects.filter(project=self.project)
        asked = self.query(PageQuery)
        return page(request, own, asked, lambda one: CategorySerializer(one).data, ascending=True)

    @operation(
        "add_categories",
        "instructions",
        body=CategoriesBody,
        gives=CategoriesSerializer,
        status=HTTPStatus.CREATED,
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Add categories while no model was trained; names that there are are passed over."""
        wanted = given_categories(self.body(CategoriesBody)["categories"], first=free_id(self.project))
        added = add_categories(project=self.project, categories=wanted)
        told = CategoriesSerializer({"results": added}).data
        return Response(told, status=HTTPStatus.CREATED)


class OneCategory(ProjectView):
    @operation("read_category", "instructions", gives=CategorySerializer)
    def get(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Read a category."""
        return Response(self._told(category))

    @operation("change_category", "instructions", body=GuideBody, gives=CategorySerializer)
    def patch(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Tell workers what a right outline of the category is."""
        said = self.body(GuideBody, partial=True)
        with self.matching(partial(self._told, category), self._own().filter(pk=category)):
            if "guide" in said:
                set_guide(category=self._found(category), text=said["guide"])
        return Response(self._told(category))

    @operation("remove_category", "instructions")
    def delete(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Take away a category that nothing is annotated as, while no model was trained for it."""
        remove_category(self._found(category))
        return Response(status=HTTPStatus.NO_CONTENT)

    def _own(self) -> QuerySet[Category]:
        return Category.objects.filter(project=self.project)

    def _found(self, pk: int) -> Category:
        return get_object_or_404(self._own().select_related("project"), pk=pk)

    def _told(self, pk: int) -> Any:
        return CategorySerializer(self._found(pk)).data


def given_categories(listed: Sequence[dict[str, Any]], *, first: int = 1) -> list[CocoCategory]:
    """Categories of bodies; `first` is the id of the first one, if it has none of its own."""
    return [
        CocoCategory(one.get("id", number), one["name"].strip(), one.get("supercategory", ""))
        for number, one in enumerate(listed, start=first)
    ]
