"""Questions with known answers, made of held-out images: right masks, and ones spoiled on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from django.db.models import QuerySet

from annotation_site.catalog.models import Annotation, Category, Mask, Project, Role
from annotation_site.people.models import GoldItem
from pipeline import masks, spoiling
from pipeline.predictions import Rle

Origin = GoldItem.Origin

COUNT = 200
IMAGES_AN_ITEM = 2
"""Images whose objects are read for each item to make: enough, however many images there are."""
SMALLEST_AREA = 400
SMALLEST_SIDE = 12
"""Pixels of the image: what is smaller nobody can judge with certainty."""
MARGIN = 0.1
"""A right mask is that much above K_iou, a wrong one below: none is a matter of opinion."""
BARELY = 0.2
"""A prediction that overlaps no known object may be right about one that nobody annotated."""
TARGETS = (0.5, 0.8)
"""Times K_iou: IoUs that spoiled masks are steered to."""
SPOILED = (Origin.CUT, Origin.GROWN, Origin.SHIFTED, Origin.MERGED, Origin.WRONG_CATEGORY)


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A mask made wrong: its pixels, the category it is shown as, and its largest IoU with one of those."""

    rle: Rle
    category: Category
    iou: float


def make_gold(*, project: Project, rng: np.random.Generator, count: int = COUNT) -> dict[str, int]:
    """Make some `count` gold items, half of them right; their number by origin.

    A project that has gold already keeps it and gets no more. Where there are no held-out images, the initial
    ones serve. Objects that are tiny or crowds are left out.
    """
    if GoldItem.objects.filter(project=project).exists():
        return {}
    maker = _Maker(project, rng, images=IMAGES_AN_ITEM * count)
    predictions = list(_predictions(project, rng, at_most=count // 4))
    gold = predictions + list(islice(maker.items(), count - len(predictions)))
    GoldItem.objects.bulk_create(gold, ignore_conflicts=True)
    return dict(Counter(item.origin for item in gold))


class _Maker:
    """Right and spoiled annotations of a project in turn, each object once, from so many images at most."""

    def __init__(self, project: Project, rng: np.random.Generator, *, images: int) -> None:
        self.project, self.rng = project, rng
        self.categories = list(project.categories.all())
        self.objects = _objects(project, rng, images=images)
        self.by_image: dict[int, list[Annotation]] = {}
        for annotation in self.objects:
            self.by_image.setdefault(annotation.image_id, []).append(annotation)

    def items(self) -> Iterator[GoldItem]:
        usable = [annotation for annotation in self.objects if _can_be_judged(annotation)]
        ways = cycle(SPOILED)
        shuffled = [usable[place] for place in self.rng.permutation(len(usable)).tolist()]
        for right, wrong in zip(shuffled[::2], shuffled[1::2], strict=False):
            spoiled = self._spoiled(wrong, next(ways))
            if spoiled is not None:
                yield self._item(right, Origin.ANNOTATION, Spoiled(right.rle, right.category, 1.0))
                yield spoiled

    def _spoiled(self, annotation: Annotation, first: GoldItem.Origin) -> GoldItem | None:
        """The object spoiled in the first way that works; None when none makes it clearly wrong."""
        start = SPOILED.index(first)
        for origin in SPOILED[start:] + SPOILED[:start]:
            made = WAYS[origin](self, annotation)
            if made is not None and made.iou <= self.project.k_iou - MARGIN and masks.areas([made.rle])[0]:
                return self._item(annotation, origin, made)
        return None

    def _item(self, annotation: Annotation, origin: GoldItem.Origin, made: Spoiled) -> GoldItem:
        x, y, width, height = masks.boxes([made.rle])[0].tolist()
        return GoldItem(
            project=self.project,
            category=made.category,
            image=annotation.image,
            origin=origin,
            iou=made.iou,
            is_correct=origin == Origin.ANNOTATION,
            source_id=annotation.pk,
            x=x,
            y=y,
            width=width,
            height=height,
            counts=made.rle["counts"],
        )

    def _largest_iou(self, rle: Rle, annotation: Annotation, category: Category) -> float:
        """With any object of the category in the image: a spoiled mask may fit a neighbour."""
        others = [a.rle for a in self.by_image[annotation.image_id] if a.category_id == category.pk]
        return float(masks.iou([rle], others).max(initial=0.0))

    def reshaped(self, annotation: Annotation, kind: str) -> Spoiled:
        target = float(self.rng.uniform(*TARGETS)) * self.project.k_iou
        rle = spoiling.spoil(annotation.rle, kind, target=target, rng=self.rng)
        return Spoiled(rle, annotation.category, self._largest_iou(rle, annotation, annotation.category))

    def merged(self, annotation: Annotation) -> Spoiled | None:
        """Together with the nearest object of its category."""
        others = [
            a
            for a in self.by_image[annotation.image_id]
            if a.category_id == annotation.category_id and a.pk != annotation.pk
        ]
        if not others:
            return None
        rle = spoiling.merge(annotation.rle, min(others, key=lambda a: _gap(a, annotation)).rle)
        return Spoiled(rle, annotation.category, self._largest_iou(rle, annotation, annotation.category))

    def recategorised(self, annotation: Annotation) -> Spoiled | None:
        """As another category, of another supercategory if there is one: no car as a truck."""
        own = annotation.category
        others = [c for c in self.categories if c.pk != own.pk]
        apart = [c for c in others if c.supercategory != own.supercategory] or others
        if not apart:
            return None
        category = apart[int(self.rng.integers(len(apart)))]
        return Spoiled(annotation.rle, category, self._largest_iou(annotation.rle, annotation, category))


WAYS: Mapping[GoldItem.Origin, Callable[[_Maker, Annotation], Spoiled | None]] = {
    Origin.CUT: lambda maker, annotation: maker.reshaped(annotation, "cut"),
    Origin.GROWN: lambda maker, annotation: maker.reshaped(annotation, "grown"),
    Origin.SHIFTED: lambda maker, annotation: maker.reshaped(annotation, "shifted"),
    Origin.MERGED: _Maker.merged,
    Origin.WRONG_CATEGORY: _Maker.recategorised,
}


def _objects(project: Project, rng: np.random.Generator, *, images: int) -> list[Annotation]:
    """The annotated objects of some images, drawn at random; crowds are no single objects."""
    found = Annotation.objects.filter(image__project=project, is_crowd=False)
    heldout = found.filter(image__role=Role.HELDOUT)
    usable = heldout if heldout.exists() else found.filter(image__role=Role.INITIAL)
    clear = usable.filter(
        area__gte=SMALLEST_AREA, width__gte=SMALLEST_SIDE, height__gte=SMALLEST_SIDE
    ).order_by("image")
    photos = list(clear.values_list("image", flat=True).distinct())
    drawn = [photos[place] for place in rng.permutation(len(photos))[:images].tolist()]
    return list(found.filter(image__in=drawn).order_by("pk").select_related("image", "category"))


def _can_be_judged(annotation: Annotation) -> bool:
    sides = (annotation.width, annotation.height)
    return annotation.area >= SMALLEST_AREA and min(sides) >= SMALLEST_SIDE


def _gap(a: Annotation, b: Annotation) -> float:
    """Pixels between two boxes, 0 where they touch."""
    across = max(a.x, b.x) - min(a.x + a.width, b.x + b.width)
    down = max(a.y, b.y) - min(a.y + a.height, b.y + b.height)
    return max(across, 0.0) + max(down, 0.0)


def _predictions(project: Project, rng: np.random.Generator, *, at_most: int) -> Iterator[GoldItem]:
    """Held-out predictions that are clearly right and clearly wrong, as many of each."""
    known = Mask.objects.filter(
        tree__round__project=project,
        tree__role=Role.HELDOUT,
        width__gte=SMALLEST_SIDE,
        height__gte=SMALLEST_SIDE,
    ).exclude(image__annotations__is_crowd=True)
    right = _some(known.filter(iou__gte=project.k_iou + MARGIN), rng, at_most // 2)
    wrong = _some(known.filter(iou__gte=BARELY, iou__lte=project.k_iou - 1.5 * MARGIN), rng, at_most // 2)
    for pair in zip(right, wrong, strict=False):
        yield from (_prediction(project, mask) for mask in pair)


def _some(known: QuerySet[Mask], rng: np.random.Generator, count: int) -> list[Mask]:
    """Masks drawn at random."""
    keys = list(known.order_by("pk").values_list("pk", flat=True))
    drawn = rng.permutation(len(keys))[:count].tolist()
    found = Mask.objects.filter(pk__in=[keys[place] for place in drawn])
    return list(found.select_related("tree__category").defer("tree__packed"))


def _prediction(project: Project, mask: Mask) -> GoldItem:
    iou = mask.iou or 0.0
    return GoldItem(
        project=project,
        category=mask.tree.category,
        image_id=mask.image_id,
        origin=Origin.PREDICTION,
        iou=iou,
        is_correct=iou >= project.k_iou,
        source_id=mask.pk,
        x=mask.x,
        y=mask.y,
        width=mask.width,
        height=mask.height,
        counts=mask.counts,
    )
