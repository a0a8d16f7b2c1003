"""Rows for tests, made with the values that a real project has."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import factory
import numpy as np
from factory.django import DjangoModelFactory
from PIL import Image as Picture

from annotation_site.catalog.models import Annotation, Category, Image, Mask, Project, Role, Round, Tree
from annotation_site.pages.texts import consent_told
from annotation_site.people.models import GoldItem, JoinLink, Membership, Worker
from annotation_site.people.qualification import consent
from annotation_site.people.qualification.models import Consent, Lesson
from pipeline import masks

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WIDTH, HEIGHT = 64, 48


def rectangle(x: int, y: int, width: int, height: int, *, size: tuple[int, int] = (HEIGHT, WIDTH)) -> bytes:
    """The run lengths of a filled rectangle in an image of size (height, width)."""
    filled = np.zeros(size, dtype=bool)
    filled[y : y + height, x : x + width] = True
    return masks.encode(filled)["counts"]


class ProjectFactory(DjangoModelFactory[Project]):
    """A project by the paper's rule and order, whose answers can be counted by hand: 13 yes of 15 accept."""

    class Meta:
        model = Project

    name = factory.Sequence(lambda n: f"Facades {n}")
    slug = factory.Sequence(lambda n: f"facades-{n}")
    strategy = "best_first"
    rule = "curtailed"


class CategoryFactory(DjangoModelFactory[Category]):
    class Meta:
        model = Category

    project = factory.SubFactory(ProjectFactory)
    coco_id = factory.Sequence(lambda n: n + 1)
    name = factory.Sequence(lambda n: f"window {n}")


class ImageFactory(DjangoModelFactory[Image]):
    """A row without a file; `PaintedImageFactory` has one."""

    class Meta:
        model = Image

    project = factory.SubFactory(ProjectFactory)
    role = Role.POOL
    name = factory.Sequence(lambda n: f"photo-{n}.png")
    path = factory.Sequence(lambda n: f"nowhere/photo-{n}.png")
    digest = factory.LazyAttribute(lambda image: hashlib.sha256(image.name.encode()).hexdigest())
    width = WIDTH
    height = HEIGHT
    coco_id = factory.Sequence(lambda n: n + 1)


class PaintedImageFactory(ImageFactory):
    """An image whose file lies in `folder` (a pathlib.Path, e.g. pytest's tmp_path)."""

    class Params:
        folder = None

    path = factory.LazyAttribute(lambda image: str(paint(image)))


def paint(image: Image) -> object:
    """A photo of coloured noise, reproducible from its name."""
    seed = int.from_bytes(hashlib.sha256(image.name.encode()).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 255, (image.height, image.width, 3), dtype=np.uint8)
    path = image.folder / image.name
    Picture.fromarray(pixels).save(path)
    return path


class OutlinedFactory(DjangoModelFactory):
    class Meta:
        abstract = True

    x, y, width, height = 10.0, 8.0, 20.0, 16.0
    counts = factory.LazyAttribute(
        lambda o: rectangle(
            int(o.x), int(o.y), int(o.width), int(o.height), size=(o.image.height, o.image.width)
        )
    )


class AnnotationFactory(OutlinedFactory):
    class Meta:
        model = Annotation

    image = factory.SubFactory(ImageFactory, role=Role.HELDOUT)
    category = factory.SubFactory(CategoryFactory, project=factory.SelfAttribute("..image.project"))
    area = factory.LazyAttribute(lambda o: o.width * o.height)
    coco_id = factory.Sequence(lambda n: n + 1)


class RoundFactory(DjangoModelFactory[Round]):
    class Meta:
        model = Round

    project = factory.SubFactory(ProjectFactory)
    number = factory.Sequence(lambda n: n + 1)


class TreeFactory(DjangoModelFactory[Tree]):
    """A row whose packed dendrogram is not one; give `packed` where the code under test reads it."""

    class Meta:
        model = Tree

    round = factory.SubFactory(RoundFactory)
    category = factory.SubFactory(CategoryFactory, project=factory.SelfAttribute("..round.project"))
    role = Role.POOL
    n = 4
    linkage = "complete"
    seed = 7
    packed = b""


class MaskFactory(OutlinedFactory):
    class Meta:
        model = Mask

    tree = factory.SubFactory(TreeFactory)
    position = factory.Sequence(lambda n: n)
    image = factory.SubFactory(ImageFactory, project=factory.SelfAttribute("..tree.round.project"))
    class_score = 0.9
    predicted_iou = 0.8
    score = 0.72


class WorkerFactory(DjangoModelFactory[Worker]):
    class Meta:
        model = Worker

    external_id = factory.Sequence(lambda n: f"worker-{n}")
    name = factory.Sequence(lambda n: f"Worker {n}")


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    project = factory.SubFactory(ProjectFactory)
    worker = factory.SubFactory(WorkerFactory)


def agreeing(member: Membership) -> Membership:
    """The member, who agreed to the text that comes with the site."""
    told = consent_told(translated=False)
    Consent.objects.create(
        membership=member, version=consent.version_of(told), text=told, language="en", at=NOON
    )
    return member


class JoinLinkFactory(DjangoModelFactory[JoinLink]):
    class Meta:
        model = JoinLink

    project = factory.SubFactory(ProjectFactory)


class GoldItemFactory(OutlinedFactory):
    class Meta:
        model = GoldItem

    image = factory.SubFactory(ImageFactory, role=Role.HELDOUT)
    project = factory.SelfAttribute("image.project")
    category = factory.SubFactory(CategoryFactory, project=factory.SelfAttribute("..image.project"))
    origin = GoldItem.Origin.ANNOTATION
    iou = 1.0
    is_correct = True
    source_id = factory.Sequence(lambda n: n + 1)


class LessonFactory(OutlinedFactory):
    """A question of the test; with `is_example=True` an example."""

    class Meta:
        model = Lesson

    image = factory.SubFactory(ImageFactory, role=Role.HELDOUT)
    project = factory.SelfAttribute("image.project")
    category = factory.SubFactory(CategoryFactory, project=factory.SelfAttribute("..image.project"))
    is_correct = True
    origin = factory.LazyAttribute(
        lambda o: Lesson.Origin.ANNOTATION if o.is_correct else Lesson.Origin.SHIFTED
    )
    iou = factory.LazyAttribute(lambda o: 1.0 if o.is_correct else 0.4)
    source_id = factory.Sequence(lambda n: n + 1)
    is_example = False
