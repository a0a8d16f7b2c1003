"""Masks whose answer is known, made of annotated images: right ones, and ones spoiled on purpose.

Gold and the lessons that workers learn by are made of them, each of images of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from annotation_site.catalog.models import Annotation, Category, Project, Role
from annotation_site.people.models import GoldItem
from pipeline import masks, spoiling
from pipeline.predictions import Rle

Origin = GoldItem.Origin

SMALLEST_AREA = 400
SMALLEST_SIDE = 12
"""Pixels of the image: what is smaller nobody can judge with certainty."""
MARGIN = 0.1
"""A right mask is that much above K_iou, a wrong one below: none is a matter of opinion."""
TARGETS = (0.5, 0.8)
"""Times K_iou: IoUs that spoiled masks are steered to."""
SPOILED = (Origin.CUT, Origin.GROWN, Origin.SHIFTED, Origin.MERGED, Origin.WRONG_CATEGORY)


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A mask made wrong: its pixels, the category it is shown as, and its largest IoU with one of those."""

    rle: Rle
    category: Category
    iou: float


@dataclass(frozen=True, slots=True)
class KnownMask:
    """An annotated object as it is, or spoiled in a way.

    Attributes
    ----------
    category : that it is shown as
    iou : the largest with an object of that category; 1 where it is right
    """

    annotation: Annotation
    origin: GoldItem.Origin
    category: Category
    rle: Rle
    iou: float

    @property
    def is_correct(self) -> bool:
        """The right answer."""
        return self.origin == Origin.ANNOTATION

    def columns(self) -> dict[str, Any]:
        """What a row about it holds, by the names that all such rows use."""
        x, y, width, height = masks.boxes([self.rle])[0].tolist()
        return {
            "category": self.category,
            "image": self.annotation.image,
            "origin": self.origin,
            "iou": self.iou,
            "is_correct": self.is_correct,
            "source_id": self.annotation.pk,
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "counts": self.rle["counts"],
        }


class MaskMaker:
    """Makes known masks of annotated objects.

    Parameters
    ----------
    objects : all of the images that the masks are made of, so that neighbours are known
    """

    def __init__(self, project: Project, objects: Sequence[Annotation], rng: np.random.Generator) -> None:
        self.project, self.rng = project, rng
        self.categories = list(project.categories.all())
        self.by_image: dict[int, list[Annotation]] = {}
        for annotation in objects:
            self.by_image.setdefault(annotation.image_id, []).append(annotation)
        usable = [annotation for annotation in objects if can_be_judged(annotation)]
        self.usable = [usable[place] for place in rng.permutation(len(usable)).tolist()]

    def pairs(self) -> Iterator[tuple[KnownMask, KnownMask]]:
        """A right and a wrong mask, of two objects; each object is used once."""
        ways = cycle(SPOILED)
        for right, wrong in zip(self.usable[::2], self.usable[1::2], strict=False):
            spoiled = self.spoiled(wrong, next(ways))
            if spoiled is not None:
                yield self.right(right), spoiled

    def right(self, annotation: Annotation) -> KnownMask:
        """The object as it is annotated."""
        return KnownMask(annotation, Origin.ANNOTATION, annotation.category, annotation.rle, 1.0)

    def spoiled(self, annotation: Annotation, first: GoldItem.Origin) -> KnownMask | None:
        """The object spoiled in the first way that works; None when none makes it clearly wrong."""
        start = SPOILED.index(first)
        for origin in SPOILED[start:] + SPOILED[:start]:
            made = WAYS[origin](self, annotation)
            if made is not None and made.iou <= self.project.k_iou - MARGIN and masks.areas([made.rle])[0]:
                return KnownMask(annotation, origin, made.category, made.rle, made.iou)
        return None

    def _largest_iou(self, rle: Rle, annotation: Annotation, category: Category) -> float:
        """With any object of the category in the image: a spoiled mask may fit a neighbour."""
        others = [a.rle for a in self.by_image[annotation.image_id] if a.category_id == category.pk]
        return float(masks.iou([rle], others).max(initial=0.0))

    def reshaped(self, annotation: Annotation, kind: str) -> Spoiled:
        """Cut, grown or shifted."""
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


WAYS: Mapping[GoldItem.Origin, Callable[[MaskMaker, Annotation], Spoiled | None]] = {
    Origin.CUT: lambda maker, annotation: maker.reshaped(annotation, "cut"),
    Origin.GROWN: lambda maker, annotation: maker.reshaped(annotation, "grown"),
    Origin.SHIFTED: lambda maker, annotation: maker.reshaped(annotation, "shifted"),
    Origin.MERGED: MaskMaker.merged,
    Origin.WRONG_CATEGORY: MaskMaker.recategorised,
}


def photos_to_use(project: Project) -> list[int]:
    """Images with an object that can be judged: held-out ones, or the initial ones where there are none."""
    found = Annotation.objects.filter(image__project=project, is_crowd=False)
    heldout = found.filter(image__role=Role.HELDOUT)
    usable = heldout if heldout.exists() else found.filter(image__role=Role.INITIAL)
    clear = usable.filter(area__gte=SMALLEST_AREA, width__gte=SMALLEST_SIDE, height__gte=SMALLEST_SIDE)
    return list(clear.order_by("image").values_list("image", flat=True).distinct())


def objects_of(photos: Collection[int]) -> list[Annotation]:
    """The annotated objects of images; crowds are no single objects."""
    found = Annotation.objects.filter(image__in=photos, is_crowd=False)
    return list(found.order_by("pk").select_related("image", "category"))


def can_be_judged(annotation: Annotation) -> bool:
    """Whether a person can tell right from wrong about an object of that size."""
    sides = (annotation.width, annotation.height)
    return annotation.area >= SMALLEST_AREA and min(sides) >= SMALLEST_SIDE


def _gap(a: Annotation, b: Annotation) -> float:
    """Pixels between two boxes, 0 where they touch."""
    across = max(a.x, b.x) - min(a.x + a.width, b.x + b.width)
    down = max(a.y, b.y) - min(a.y + a.height, b.y + b.height)
    return max(across, 0.0) + max(down, 0.0)
