"""The model's contact sheet: predictions on held-out images beside their ground truth."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.masks import RleTold
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import LONGEST_PAGE, PAGE, Whole, paged, paged_response
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.models import Mask, Project, Round
from annotation_site.dashboards.model.heldout import (
    DEFAULT_ORDER,
    ORDERS,
    Shown,
    heldout_trees,
    place_of,
    sheet,
    told_place,
)
from pipeline.predictions import Rle


class HeldoutQuery(serializers.Serializer[Any]):
    """Which predictions, in which order."""

    limit = Whole(min_value=1, max_value=LONGEST_PAGE, default=PAGE)
    cursor = serializers.RegexField(
        r"^-?[0-9](\.[0-9]{1,20})?(e-[0-9]{1,3})?_[0-9]{1,18}_[0-9]{1,10}$",
        required=False,
        help_text="Where the page begins; take it from `next`.",
    )
    round = Whole(min_value=1, max_value=2**31 - 1, required=False, help_text="Its number; else the latest.")
    category = Whole(min_value=1, max_value=2**63 - 1, required=False)
    order = serializers.ChoiceField(
        choices=list(ORDERS),
        default=DEFAULT_ORDER,
        help_text="overconfident: whose score is most above the true IoU; underconfident: most below it.",
    )


class HeldoutPredictionSerializer(serializers.ModelSerializer[Mask]):
    """A predicted mask, how sure the model is of it, and how good it is."""

    tree = serializers.IntegerField(source="tree_id")
    category = serializers.CharField(source="told_category")
    image = serializers.IntegerField(source="image_id")
    bbox = serializers.ListField(
        source="box", child=serializers.FloatField(), help_text="x, y, width, height in pixels."
    )
    true_iou = serializers.FloatField(source="iou", help_text="With the best object of its category.")
    segmentation = RleTold()
    truth = RleTold(allow_null=True, help_text="The object of its category that it meets best, if any.")

    class Meta:
        model = Mask
        fields = (
            "id", "tree", "position", "category", "image", "bbox", "class_score", "predicted_iou", "score",
            "true_iou", "segmentation", "truth",
        )  # fmt: skip


class HeldoutPredictions(ProjectView):
    @operation(
        "list_heldout_predictions",
        "predictions",
        query=HeldoutQuery,
        gives=paged(
            HeldoutPredictionSerializer, count=serializers.IntegerField(help_text="Predictions in all.")
        ),
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List predictions on held-out images with their scores and real IoUs, once they are clustered."""
        asked = self.query(HeldoutQuery)
        trees = heldout_trees(_round(self.project, asked), category=asked.get("category"))
        after = place_of(asked.get("cursor", ""))
        found = sheet(trees, order=asked["order"], after=after, size=asked["limit"])
        rows = [HeldoutPredictionSerializer(_told(one)).data for one in found.rows]
        return paged_response(request, rows, found.after and told_place(found.after), count=found.count)


def _round(project: Project, asked: dict[str, Any]) -> Round | None:
    if "round" in asked:
        return get_object_or_404(project.rounds, number=asked["round"])
    return project.rounds.order_by("-number").first()


def _told(one: Shown) -> Any:
    told: Any = one.mask
    told.told_category, told.iou = one.category, told.iou or 0.0
    told.segmentation, told.truth = _rle(one.mask.rle), one.truth and _rle(one.truth)
    return told


def _rle(rle: Rle) -> dict[str, Any]:
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
