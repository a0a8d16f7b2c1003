"""Masks whose answer is known: which there are, marked by an admin, retired, taken back. For admins alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.access.models import Access
from annotation_site.api.v1.masks import PHOTO, jpeg, mask_of
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards.thumbnails import thumbnail
from annotation_site.people.models import GoldItem
from annotation_site.verification.gold_review import OF_POOL, mark_gold, retire_gold, take_back_gold

IN_USE, RETIRED = "in use", "retired"


class GoldSerializer(serializers.ModelSerializer[GoldItem]):
    """A mask whose answer is known, hidden among the questions."""

    category = serializers.CharField(source="category.name")
    image = serializers.IntegerField(source="image_id")
    mask = serializers.SerializerMethodField(help_text="That was marked or agreed on; null for others.")
    bbox = serializers.ListField(
        source="box", child=serializers.FloatField(), help_text="x, y, width, height in pixels."
    )

    class Meta:
        model = GoldItem
        fields = (
            "id", "origin", "category", "image", "mask", "bbox", "iou", "is_correct", "added_by",
            "retired_at", "retired_because",
        )  # fmt: skip

    def get_mask(self, item: GoldItem) -> int | None:
        return item.source_id if item.origin in OF_POOL else None


class GoldQuery(PageQuery):
    """Which gold."""

    state = serializers.ChoiceField(choices=[IN_USE, RETIRED], required=False)
    origin = serializers.ChoiceField(choices=GoldItem.Origin.values, required=False)


class MarkBody(Body):
    """A mask whose answer you know."""

    mask = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    is_correct = serializers.BooleanField(help_text="The right answer: whether it outlines its object.")


class RetireBody(Body):
    """Why nobody is asked any more."""

    reason = serializers.RegexField(NOT_BLANK, max_length=200)


class GoldView(ProjectView):
    """A view that would tell workers the answers."""

    needs: ClassVar = {"GET": Access.ADMIN}

    def item(self, pk: int) -> GoldItem:
        own = GoldItem.objects.select_related("category", "image").defer("counts")
        return get_object_or_404(own, project=self.project, pk=pk)


class Gold(GoldView):
    @operation("list_gold", "gold", query=GoldQuery, gives=paged(GoldSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the gold, what was retired too, the newest first."""
        asked = self.query(GoldQuery)
        found = GoldItem.objects.filter(project=self.project).select_related("category").defer("counts")
        if "state" in asked:
            found = found.filter(retired_at__isnull=asked["state"] == IN_USE)
        if "origin" in asked:
            found = found.filter(origin=asked["origin"])
        return page(request, found, asked, lambda one: GoldSerializer(one).data)

    @operation("mark_gold", "gold", body=MarkBody, gives=GoldSerializer, status=HTTPStatus.CREATED)
    def post(self, request: Request, slug: str) -> Response:
        """Make a mask gold. Safe to repeat; to change its answer, retire it and mark it again."""
        said = self.body(MarkBody)
        mask = mask_of(self.project, said["mask"])
        made = mark_gold(mask=mask, is_correct=said["is_correct"], by=request.user.get_username())
        address = reverse("api:gold-item", args=[slug, made.pk], request=request)
        told = GoldSerializer(made).data
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class OneGold(GoldView):
    @operation("read_gold", "gold", gives=GoldSerializer)
    def get(self, request: Request, slug: str, gold: int) -> Response:  # noqa: ARG002
        """Read a gold item."""
        return Response(GoldSerializer(self.item(gold)).data)


class GoldCrop(GoldView):
    @operation("read_gold_crop", "gold", gives=PHOTO)
    def get(self, request: Request, slug: str, gold: int) -> HttpResponse:  # noqa: ARG002
        """The mask and its surroundings as a small JPEG, without its outline."""
        item = self.item(gold)
        return jpeg(lambda: thumbnail(item))


class RetireGold(GoldView):
    @operation("retire_gold", "gold", body=RetireBody, gives=GoldSerializer)
    def post(self, request: Request, slug: str, gold: int) -> Response:  # noqa: ARG002
        """Ask nobody about it any more; no answer to it counts. Stops by it are marked as doubtful."""
        retire_gold(item=self.item(gold), because=self.body(RetireBody)["reason"], at=timezone.now())
        return Response(GoldSerializer(self.item(gold)).data)


class TakeBackGold(GoldView):
    @operation("take_back_gold", "gold", gives=GoldSerializer)
    def post(self, request: Request, slug: str, gold: int) -> Response:  # noqa: ARG002
        """Ask about it again, and count the answers to it. What proven workers fail is retired again."""
        take_back_gold(item=self.item(gold), by=request.user.get_username())
        return Response(GoldSerializer(self.item(gold)).data)
