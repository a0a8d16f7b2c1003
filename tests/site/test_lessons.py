"""Lessons are made of held-out images, and gold of others."""

from __future__ import annotations

import numpy as np
import pytest

from annotation_site.catalog.models import Category, Project, Role
from annotation_site.people.gold import make_gold
from annotation_site.people.known_masks import MARGIN, SPOILED
from annotation_site.people.models import GoldItem
from annotation_site.people.qualification import consent, lessons
from annotation_site.people.qualification.models import Consent, ConsentText, Lesson
from tests.factories import (
    NOON,
    AnnotationFactory,
    CategoryFactory,
    ImageFactory,
    MaskFactory,
    MembershipFactory,
    ProjectFactory,
    RoundFactory,
    TreeFactory,
)

pytestmark = pytest.mark.django_db

SIDE = 200


def scene(project: Project, categories: list[Category]) -> None:
    image = ImageFactory(project=project, role=Role.HELDOUT, width=SIDE, height=SIDE)
    for number, (x, y) in enumerate([(10, 10), (60, 12), (12, 110), (70, 108)]):
        AnnotationFactory(image=image, category=categories[number // 2], x=x, y=y, width=40, height=30)


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    categories = [CategoryFactory(project=project, name=name) for name in ("car", "dog")]
    for _ in range(24):
        scene(project, categories)
    return project


def make(project: Project) -> lessons.Made:
    return lessons.make_lessons(project=project, rng=np.random.default_rng(1))


def test_there_are_examples_of_every_kind_and_enough_for_a_test(project: Project) -> None:
    made = make(project)
    examples = Lesson.objects.examples()
    assert made.examples == examples.count()
    assert set(examples.values_list("origin", flat=True)) == {"annotation", *SPOILED}
    assert set(examples.values_list("category__name", flat=True)) == {"car", "dog"}
    assert min(made.right, made.wrong) >= 10


def test_no_object_is_an_example_and_a_question_too(project: Project) -> None:
    make(project)
    shown = set(Lesson.objects.examples().values_list("source_id", flat=True))
    assert shown.isdisjoint(Lesson.objects.of_test().values_list("source_id", flat=True))


def test_right_lessons_are_right_and_wrong_ones_clearly_wrong(project: Project) -> None:
    make(project)
    for lesson in Lesson.objects.all():
        assert lesson.iou == 1.0 if lesson.is_correct else lesson.iou <= project.k_iou - MARGIN


def test_gold_and_lessons_share_no_image_whichever_is_made_first(project: Project) -> None:
    tree = TreeFactory(
        round=RoundFactory(project=project), category=project.categories.first(), role=Role.HELDOUT
    )
    for position, image in enumerate(project.images.all()):
        MaskFactory(
            tree=tree, position=position, image=image, iou=(0.95, 0.3)[position % 2], width=30, height=30
        )
    make(project)
    make_gold(project=project, rng=np.random.default_rng(2))
    of_gold = set(GoldItem.objects.values_list("image", flat=True))
    assert of_gold
    assert of_gold.isdisjoint(Lesson.objects.values_list("image", flat=True))
    Lesson.objects.all().delete()
    make(project)
    assert of_gold.isdisjoint(Lesson.objects.values_list("image", flat=True))


def test_gold_keeps_three_quarters_of_the_images(project: Project) -> None:
    make(project)
    assert Lesson.objects.values("image").distinct().count() <= 6


def test_few_images_are_left_to_gold() -> None:
    project = ProjectFactory()
    for _ in range(3):
        scene(project, [CategoryFactory(project=project)] * 2)
    assert make(project) == lessons.Made(0, 0, 0)


def test_making_them_again_changes_nothing(project: Project) -> None:
    first = make(project)
    before = set(Lesson.objects.values_list("pk", "key"))
    assert make(project) == first
    assert set(Lesson.objects.values_list("pk", "key")) == before


def test_the_gallery_shows_a_right_one_and_each_way_of_being_wrong(project: Project) -> None:
    make(project)
    shown = lessons.gallery(project)
    assert shown[0].is_correct
    assert {lesson.origin for lesson in shown} == {"annotation", *SPOILED}


def test_an_example_can_be_left_out_and_taken_back(project: Project) -> None:
    make(project)
    example = lessons.gallery(project)[0]
    lessons.leave_out(lesson=example, at=NOON)
    assert example not in lessons.project_examples(project)
    lessons.take_back_in(lesson=example)
    assert example in lessons.project_examples(project)


class TestConsent:
    def test_it_is_asked_again_when_the_text_changes_and_not_when_it_changes_back(self) -> None:
        member = MembershipFactory()
        first, second = consent.version_of("one"), consent.version_of("two")
        consent.agree(membership=member, version=first, text="one", language="en", at=NOON)
        assert consent.has_agreed(member, version=first)
        assert not consent.has_agreed(member, version=second)

    def test_agreeing_twice_is_noted_once(self) -> None:
        member = MembershipFactory()
        for text in ("one", "eins"):
            consent.agree(membership=member, version="1", text=text, language="en", at=NOON)
        assert Consent.objects.get().text == "one"

    def test_every_text_of_a_project_is_kept(self) -> None:
        project = ProjectFactory()
        assert consent.set_consent_text(project=project, text=" Ours. ", at=NOON)
        assert not consent.set_consent_text(project=project, text="Ours.", at=NOON)
        assert consent.set_consent_text(project=project, text="", at=NOON)
        assert consent.consent_text(project) == ""
        assert ConsentText.objects.count() == 2
