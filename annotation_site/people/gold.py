"""Questions with known answers, made of held-out images: right masks, and ones spoiled on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

import numpy as np
from django.db.models import QuerySet

from annotation_site.catalog.models import Annotation, Mask, Project, Role
from annotation_site.people.known_masks import MARGIN, SMALLEST_SIDE, MaskMaker, objects_of, photos_to_use
from annotation_site.people.models import GoldItem
from annotation_site.people.qualification.models import Lesson

Origin = GoldItem.Origin
NOT_MADE = (Origin.MARKED, Origin.AGREED)
"""Gold that came to be in other ways: a project that has some of it may still lack gold that was made."""

COUNT = 200
IMAGES_AN_ITEM = 2
"""Images whose objects are read for each item to make: enough, however many images there are."""
BARELY = 0.2
"""A prediction that overlaps no known object may be right about one that nobody annotated."""


def make_gold(*, project: Project, rng: np.random.Generator, count: int = COUNT) -> dict[str, int]:
    """Make some `count` gold items, half of them right; their number by origin.

    A project whose gold was made already keeps it and gets no more. Where there are no held-out images, the
    initial ones serve. Objects that are tiny or crowds are left out, and so are the images that workers learn
    by.
    """
    if GoldItem.objects.filter(project=project).exclude(origin__in=NOT_MADE).exists():
        return {}
    maker = MaskMaker(project, _objects(project, rng, images=IMAGES_AN_ITEM * count), rng)
    predictions = list(_predictions(project, rng, at_most=count // 4))
    known = islice(chain.from_iterable(maker.pairs()), count - len(predictions))
    gold = predictions + [GoldItem(project=project, **made.columns()) for made in known]
    GoldItem.objects.bulk_create(gold, ignore_conflicts=True)
    return dict(Counter(item.origin for item in gold))


def _objects(project: Project, rng: np.random.Generator, *, images: int) -> list[Annotation]:
    """The annotated objects of some images, drawn at random."""
    taken = set(Lesson.objects.filter(project=project).values_list("image", flat=True))
    photos = [photo for photo in photos_to_use(project) if photo not in taken]
    return objects_of([photos[place] for place in rng.permutation(len(photos))[:images].tolist()])


def _predictions(project: Project, rng: np.random.Generator, *, at_most: int) -> Iterator[GoldItem]:
    """Held-out predictions that are clearly right and clearly wrong, as many of each."""
    known = Mask.objects.filter(
        tree__round__project=project,
        tree__role=Role.HELDOUT,
        width__gte=SMALLEST_SIDE,
        height__gte=SMALLEST_SIDE,
    ).exclude(image__annotations__is_crowd=True)
    known = known.exclude(image__in=Lesson.objects.filter(project=project).values("image"))
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
