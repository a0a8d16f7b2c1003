"""Masks by filter, a page by key; one with what became of it and why; images and their photos."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import photo_responses
from annotation_site.api.problems import Problem
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import (
    LONGEST_PAGE,
    PAGE,
    PageQuery,
    Real,
    Whole,
    page,
    paged,
    paged_response,
)
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog import photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import Image, Mask, Project, Role
from annotation_site.dashboards import thumbnails
from annotation_site.dashboards.mask_browser import BY_HAND, ORDERS, SAID, Browsed, Wanted, mask_page
from annotation_site.dashboards.mask_facts import MaskFacts
from annotation_site.dashboards.masks import LONGEST
from annotation_site.results.outcomes import Fate

BIGGEST = 2**31 - 1


class MaskQuery(serializers.Serializer[Any]):
    """Which masks. A page ends when it is full, or when searching for more would take long."""

    limit = Whole(min_value=1, max_value=LONGEST_PAGE, default=PAGE)
    cursor = serializers.RegexField(
        r"^-?[0-9]{1,12}(\.[0-9]{1,20})?(e-[0-9]{1,3})?_-?[0-9]{1,12}$",
        required=False,
        help_text="Where the page begins; take it from `next`.",
    )
    tree = Whole(min_value=1, max_value=2**63 - 1, required=False)
    lo = Whole(min_value=0, max_value=BIGGEST, required=False, help_text="With `tree`.")
    hi = Whole(min_value=1, max_value=BIGGEST, required=False, help_text="With `tree`.")
    image = Whole(min_value=1, max_value=2**63 - 1, required=False)
    became = serializers.ChoiceField(choices=[fate.value for fate in Fate], required=False)
    said = serializers.ChoiceField(
        choices=[*SAID, BY_HAND],
        required=False,
        help_text="By people: refused is a no inside an accepted cluster, confirmed a yes inside a rejected "
        "one; hand is an admin's verdict on the very mask.",
    )
    score_from = Real(min_value=0, max_value=1, default=0)
    score_to = Real(min_value=0, max_value=1, default=1)
    order = serializers.ChoiceField(
        choices=ORDERS, default="leaves", help_text="By likeness; within one `tree` also by score."
    )


class MaskSerializer(serializers.ModelSerializer[Mask]):
    """A mask and what became of it."""

    tree = serializers.IntegerField(source="tree_id")
    image = serializers.IntegerField(source="image_id")
    category = serializers.CharField(source="told_tree.category.name")
    round = serializers.IntegerField(source="told_tree.round.number")
    bbox = serializers.ListField(
        source="box", child=serializers.FloatField(), help_text="x, y, width, height in pixels."
    )
    became = serializers.ChoiceField(choices=[fate.value for fate in Fate])
    says = serializers.ListField(child=serializers.CharField(), help_text="The answers that count.")

    class Meta:
        model = Mask
        fields = (
            "id", "tree", "position", "category", "round", "image", "bbox", "class_score", "predicted_iou",
            "score", "became", "says",
        )  # fmt: skip


class RleTold(serializers.Serializer[Any]):
    """COCO's compressed run lengths."""

    size = serializers.ListField(child=serializers.IntegerField(), help_text="Height and width.")
    counts = serializers.CharField()


class ClusterTold(serializers.Serializer[Any]):
    """A cluster around the mask that people were asked about."""

    node = serializers.IntegerField()
    size = serializers.IntegerField()
    mean_score = serializers.FloatField()
    became = serializers.CharField(source="status.told")


class JudgmentTold(serializers.Serializer[Any]):
    """An answer that was given; also one that does not count any more."""

    worker = serializers.CharField()
    says = serializers.CharField()
    elapsed_ms = serializers.IntegerField()
    at = serializers.DateTimeField()
    retracted_at = serializers.DateTimeField(allow_null=True)
    retracted_because = serializers.CharField()


class MaskFactsSerializer(MaskSerializer):
    """A mask: its outline, its clusters, its answers, and why it became what it is."""

    segmentation = RleTold()
    node = serializers.IntegerField(help_text="Its leaf of the tree.")
    clusters = ClusterTold(many=True, help_text="From the largest to the smallest.")
    judgments = JudgmentTold(many=True)
    true_iou = serializers.FloatField(
        allow_null=True, help_text="With the best object of its category, where that is known."
    )

    class Meta(MaskSerializer.Meta):
        fields = (
            *MaskSerializer.Meta.fields, "segmentation", "node", "clusters", "judgments", "true_iou",
        )  # type: ignore[assignment]  # fmt: skip


class ImageQuery(PageQuery):
    """Which images."""

    role = serializers.ChoiceField(choices=Role.values, required=False)
    name = serializers.CharField(
        max_length=500, required=False, trim_whitespace=False, help_text="The file name, exactly."
    )


class ImageSerializer(serializers.ModelSerializer[Image]):
    """An image; its size is that of the upright photo."""

    class Meta:
        model = Image
        fields = ("id", "role", "name", "width", "height", "coco_id", "digest")


PHOTO = "image/jpeg"


class Masks(ProjectView):
    @operation(
        "list_masks",
        "masks",
        query=MaskQuery,
        gives=paged(
            MaskSerializer,
            count=serializers.IntegerField(allow_null=True, help_text="In all, where that was counted."),
            searched=serializers.BooleanField(
                help_text="Whether the page ended because searching took long."
            ),
        ),
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Masks by filter. However many there are, a page costs what it shows."""
        asked = self.query(MaskQuery)
        found = mask_page(self.project, _wanted(asked), size=asked["limit"])
        after = None if found.after is None else _key(found.after)
        rows = [MaskSerializer(_told(one)).data for one in found.rows]
        return paged_response(request, rows, after, count=found.count, searched=found.searched)


class OneMask(ProjectView):
    @operation("read_mask", "masks", gives=MaskFactsSerializer)
    def get(self, request: Request, slug: str, mask: int) -> Response:  # noqa: ARG002
        """One mask: which clusters, which answers by whom, what became of it."""
        facts = MaskFacts(self.project, mask_of(self.project, mask))
        told: Any = facts.mask
        told.told_tree, told.became, told.node = facts.mask.tree, facts.fate.value, facts.node.node
        told.judgments, told.clusters, told.true_iou = facts.judgments, facts.path, facts.true_iou
        told.says = [one.says for one in facts.judgments if one.retracted_at is None]
        rle = facts.mask.rle
        told.segmentation = {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
        return Response(MaskFactsSerializer(told).data)


class MaskCrop(ProjectView):
    @operation("read_mask_crop", "masks", gives=PHOTO)
    def get(self, request: Request, slug: str, mask: int) -> HttpResponse:  # noqa: ARG002
        """The mask and its surroundings as a small JPEG, without its outline; held-out ones, too."""
        own = Mask.objects.select_related("image").defer("counts")
        found = get_object_or_404(own, pk=mask, tree__round__project=self.project)
        return jpeg(partial(thumbnails.thumbnail, found))


class Images(ProjectView):
    @operation("list_images", "images", query=ImageQuery, gives=paged(ImageSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the images in the order of their import."""
        asked = self.query(ImageQuery)
        wanted = {name: asked[name] for name in ("role", "name") if name in asked}
        own = Image.objects.filter(project=self.project, **wanted)
        return page(request, own, asked, lambda one: ImageSerializer(one).data, ascending=True)


class OneImage(ProjectView):
    @operation("read_image", "images", gives=ImageSerializer)
    def get(self, request: Request, slug: str, image: int) -> Response:  # noqa: ARG002
        """Read an image's row."""
        return Response(ImageSerializer(get_object_or_404(Image, project=self.project, pk=image)).data)


class Photo(ProjectView):
    @operation("read_photo", "images", gives=PHOTO)
    def get(self, request: Request, slug: str, image: int) -> HttpResponse:  # noqa: ARG002
        """The whole photo, upright, as a JPEG of at most 1600 pixels a side."""
        found = get_object_or_404(Image, pk=image, project=self.project)
        frame = Frame(0, 0, found.width, found.height)
        name = f"images/{found.pk % 256:02x}/{found.pk}-{LONGEST}-{found.digest[:16]}.jpg"
        return jpeg(lambda: kept(name, partial(photos.render, found, frame, longest=LONGEST)))


def jpeg(render: Callable[[], bytes]) -> HttpResponse:
    """A photo; Http404 where its file is gone or broken, a Problem while its storage is away."""
    found = photo_responses.jpeg(render, cache="private, no-cache")
    if found.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise NoPhotoNow
    return found


class NoPhotoNow(Problem):
    """The storage of a photo does not answer."""

    wait = photo_responses.AGAIN_AFTER

    def __init__(self) -> None:
        detail = "The storage of this photo does not answer: ask again when Retry-After says."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "storage-away", detail)


def mask_of(project: Project, pk: int) -> Mask:
    """A mask of the project's pool; Http404 where there is none."""
    own = Mask.objects.select_related("image", "tree__category", "tree__round").defer("tree__packed")
    return get_object_or_404(own, pk=pk, tree__round__project=project, tree__role=Role.POOL)


def _wanted(asked: dict[str, Any]) -> Wanted:
    tree, image = asked.get("tree"), asked.get("image")
    return Wanted(
        tree=tree,
        lo=asked.get("lo") if tree else None,
        hi=asked.get("hi") if tree else None,
        image=image,
        fate=asked.get("became", ""),
        said=asked.get("said", ""),
        low=asked["score_from"],
        high=asked["score_to"],
        order=asked["order"] if tree and not image else "leaves",
        after=_after(asked.get("cursor")),
    )


def _key(after: tuple[float, int]) -> str:
    first = int(after[0]) if after[0] == int(after[0]) else after[0]
    return f"{first!r}_{after[1]}"


def _after(cursor: str | None) -> tuple[float, int] | None:
    if cursor is None:
        return None
    first, _, second = cursor.partition("_")
    return float(first), int(second)


def _told(one: Browsed) -> Any:
    told: Any = one.tile.mask
    told.told_tree, told.became, told.says = one.tree, one.fate.value, one.tile.says
    return told
