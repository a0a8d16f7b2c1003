"""Gold made of held-out images: half of it right, all of it clear."""

from __future__ import annotations

import numpy as np
import pytest

from annotation_site.catalog.models import Annotation, Category, Image, Mask, Project, Role
from annotation_site.people.gold import MARGIN, make_gold
from annotation_site.people.models import GoldItem
from pipeline import masks
from tests.factories import (
    AnnotationFactory,
    CategoryFactory,
    ImageFactory,
    MaskFactory,
    ProjectFactory,
    RoundFactory,
    TreeFactory,
    rectangle,
)
from tests.site.campaigns import add_gold, counted_queries

pytestmark = pytest.mark.django_db

SIDE = 200
Origin = GoldItem.Origin


def scene(project: Project, categories: list[Category], *, role: Role = Role.HELDOUT) -> Image:
    """An image with four objects, two of each category, side by side."""
    image = ImageFactory(project=project, role=role, width=SIDE, height=SIDE)
    for number, (x, y) in enumerate([(10, 10), (60, 12), (12, 110), (70, 108)]):
        AnnotationFactory(image=image, category=categories[number // 2], x=x, y=y, width=40, height=30)
    return image


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    categories = [
        CategoryFactory(project=project, name=name, supercategory=kind)
        for name, kind in (("car", "vehicle"), ("dog", "animal"))
    ]
    for _ in range(20):
        scene(project, categories)
    return project


def make(project: Project, **options: int) -> dict[str, int]:
    return make_gold(project=project, rng=np.random.default_rng(1), **options)


def truth_of(item: GoldItem) -> float:
    """The largest IoU with an object of the category it is shown as."""
    objects = Annotation.objects.filter(image=item.image, category=item.category)
    return float(masks.iou([item.rle], [a.rle for a in objects]).max(initial=0.0))


def test_half_of_the_gold_is_right_and_every_way_of_spoiling_is_there(project: Project) -> None:
    made = make(project, count=60)
    assert sum(made.values()) == GoldItem.objects.count() == 60
    assert GoldItem.objects.filter(is_correct=True).count() == 30
    assert set(made) == {"annotation", "cut", "grown", "shifted", "merged", "wrong_category"}


def test_right_gold_is_right_and_wrong_gold_is_clearly_wrong(project: Project) -> None:
    make(project, count=60)
    for item in GoldItem.objects.select_related("image"):
        assert item.iou == pytest.approx(truth_of(item), abs=1e-6)
        assert item.iou == 1.0 if item.is_correct else item.iou <= project.k_iou - MARGIN


def test_boxes_are_those_of_the_spoiled_masks(project: Project) -> None:
    make(project)
    for item in GoldItem.objects.select_related("image"):
        assert item.box == pytest.approx(masks.boxes([item.rle])[0].tolist())


def test_a_wrong_category_is_of_another_kind_of_thing(project: Project) -> None:
    CategoryFactory(project=project, name="truck", supercategory="vehicle")
    make(project)
    for item in GoldItem.objects.filter(origin=Origin.WRONG_CATEGORY).select_related("category"):
        source = Annotation.objects.select_related("category").get(pk=item.source_id)
        assert item.category.supercategory != source.category.supercategory


def test_making_it_again_adds_nothing(project: Project) -> None:
    make(project)
    before = list(GoldItem.objects.order_by("pk").values_list("pk", flat=True))
    assert make(project) == {}
    assert list(GoldItem.objects.order_by("pk").values_list("pk", flat=True)) == before


@pytest.mark.parametrize("origin", [Origin.MARKED, Origin.AGREED])
def test_gold_that_people_added_does_not_stand_in_for_it(project: Project, origin: str) -> None:
    add_gold(project, 1)
    GoldItem.objects.update(origin=origin)
    assert sum(make(project, count=20).values()) == 20
    assert GoldItem.objects.count() == 21
    assert make(project) == {}


def test_each_object_is_used_once(project: Project) -> None:
    make(project, count=1000)
    sources = GoldItem.objects.values_list("source_id", flat=True)
    assert len(sources) == len(set(sources)) <= Annotation.objects.count()


def test_crowds_tiny_objects_and_pool_images_are_left_out(project: Project) -> None:
    category = project.categories.first()
    heldout = ImageFactory(project=project, role=Role.HELDOUT, width=SIDE, height=SIDE)
    crowd = AnnotationFactory(image=heldout, category=category, width=90, height=90, is_crowd=True)
    tiny = AnnotationFactory(image=heldout, category=category, width=11, height=90)
    pool = scene(project, [category, category], role=Role.POOL)
    make(project, count=1000)
    assert not GoldItem.objects.filter(source_id__in=[crowd.pk, tiny.pk]).exists()
    assert not GoldItem.objects.filter(image=pool).exists()


def test_however_many_images_there_are_the_objects_of_few_are_read(project: Project, monkeypatch) -> None:
    monkeypatch.setattr("annotation_site.people.gold.IMAGES_AN_ITEM", 1)
    make(project, count=4)
    assert 0 < GoldItem.objects.values("image").distinct().count() <= 4


def test_predictions_are_drawn_without_reading_their_tree(project: Project) -> None:
    tree = TreeFactory(
        round=RoundFactory(project=project), category=project.categories.first(), role=Role.HELDOUT
    )
    for position, iou in enumerate([0.95, 0.3]):
        MaskFactory(tree=tree, position=position, image=Image.objects.first(), iou=iou, width=30, height=30)
    with counted_queries() as statements:
        made = make(project, count=40)
    assert made["prediction"] == 2
    assert not any('"packed"' in statement for statement in statements)


def test_without_held_out_images_the_initial_ones_serve(project: Project) -> None:
    Image.objects.update(role=Role.INITIAL)
    assert sum(make(project, count=20).values()) == 20


def test_without_annotations_there_is_no_gold() -> None:
    assert make(ProjectFactory()) == {}


def test_held_out_predictions_serve_where_they_are_clear(project: Project) -> None:
    tree = TreeFactory(
        round=RoundFactory(project=project), category=project.categories.first(), role=Role.HELDOUT
    )
    image = Image.objects.first()
    for position, iou in enumerate([0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.05, 0.0]):
        MaskFactory(tree=tree, position=position, image=image, iou=iou, width=30, height=30)
    make(project, count=40)
    used = GoldItem.objects.filter(origin=Origin.PREDICTION)
    ious = dict(Mask.objects.values_list("pk", "iou"))
    assert {(ious[item.source_id], item.is_correct) for item in used} == {
        (0.95, True),
        (0.9, True),
        (0.5, False),
        (0.3, False),
    }


def test_a_spoiled_mask_that_fits_a_neighbour_is_spoiled_in_another_way() -> None:
    """A small object merged with a large one next to it would be right about the large one."""
    project = ProjectFactory()
    category = CategoryFactory(project=project)
    for _ in range(10):
        image = ImageFactory(project=project, role=Role.HELDOUT, width=SIDE, height=SIDE)
        AnnotationFactory(image=image, category=category, x=0, y=0, width=20, height=20)
        AnnotationFactory(image=image, category=category, x=21, y=0, width=150, height=150)
    make(project)
    assert all(truth_of(item) <= 0.65 for item in GoldItem.objects.filter(is_correct=False))
    assert rectangle(0, 0, 1, 1)
