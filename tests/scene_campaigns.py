"""Open campaigns on generated scenes: pictures and masks, trees over them, gold, and a worker with a link."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from annotation_site.catalog.models import Category, Image, Mask, Project, Role, Tree
from annotation_site.people.models import GoldItem, Membership
from annotation_site.people.qualification.lessons import make_lessons
from annotation_site.verification.opening import open_campaign
from pipeline import masks
from pipeline.scenes import Scene, SceneOptions, generate
from tests import factories
from tests.factories import NOON
from tests.pipeline.made_trees import random_tree_of_halves

SPECIES = ("mushroom", "leaf")


@dataclass(frozen=True, slots=True)
class Campaign:
    """An open project and one worker on it."""

    project: Project
    member: Membership


def scene_campaign(
    folder: Path, *, scenes: int = 5, gold: int = 6, side: int = 256, seed: int = 0, **parameters: object
) -> Campaign:
    """A campaign with some four masks a scene; every second gold mask is shifted off its object."""
    defaults = {"hit_size": 10, "gold_share": 0.2, "n_s": 5, "min_size": 1, "k_pa": 0.1, "generated": True}
    project = factories.ProjectFactory(**{**defaults, **parameters})
    painter = _Painter(project, folder, side, seed)
    pool: dict[Category, list[dict[str, object]]] = defaultdict(list)
    for _ in range(scenes):
        for category, outlined in painter.scene(Role.POOL):
            pool[category].append(outlined)
    round_ = factories.RoundFactory(project=project, number=1)
    for category, outlined in pool.items():
        _tree(round_, category, outlined)
    _gold(painter, gold)
    open_campaign(project=project, at=NOON)
    return Campaign(project, factories.agreeing(factories.MembershipFactory(project=project)))


def learning_campaign(folder: Path, **parameters: object) -> Campaign:
    """A campaign whose newcomers learn by lessons and take a test; its member is one of them."""
    campaign = scene_campaign(folder, **parameters)
    painter = _Painter(campaign.project, folder, 256, 1)
    for _ in range(20):
        for category, fields in painter.scene(Role.HELDOUT):
            factories.AnnotationFactory(category=category, **fields)
    make_lessons(project=campaign.project, rng=np.random.default_rng(0))
    return Campaign(campaign.project, factories.MembershipFactory(project=campaign.project, standing="new"))


@cache
def painted(side: int, seed: int, number: int) -> Scene:
    """A scene, painted once in each process: that takes longer than the rest of most tests."""
    options = SceneOptions(height=side, width=side, categories=SPECIES)
    return generate(options, np.random.default_rng([seed, number]))


class _Painter:
    def __init__(self, project: Project, folder: Path, side: int, seed: int) -> None:
        self.project, self.folder, self.side, self.seed = project, folder, side, seed
        known = {category.name: category for category in project.categories.all()}
        self.categories = [
            known.get(name) or factories.CategoryFactory(project=project, name=name) for name in SPECIES
        ]
        self.painted = 0

    def scene(self, role: Role) -> list[tuple[Category, dict[str, object]]]:
        """The objects of a new image."""
        scene = painted(self.side, self.seed, self.painted)
        self.painted += 1
        path = self.folder / f"{self.project.slug}-{self.seed}-{self.painted}.jpg"
        Picture.fromarray(scene.image).save(path, quality=92)
        height, width = scene.image.shape[:2]
        image = factories.ImageFactory(
            project=self.project, role=role, name=path.name, path=str(path), width=width, height=height
        )
        return [
            (self.categories[number - 1], outlined(image, mask))
            for number, mask in zip(scene.category_ids, scene.masks, strict=True)
        ]


def outlined(image: Image, mask: NDArray[np.bool_]) -> dict[str, object]:
    """The fields of a row for a (h, w) bool mask of an image."""
    rle = masks.encode(mask)
    x, y, width, height = masks.boxes([rle])[0].tolist()
    return {"image": image, "x": x, "y": y, "width": width, "height": height, "counts": rle["counts"]}


def _tree(round_: object, category: Category, pool: list[dict[str, object]]) -> Tree:
    scores = np.full(len(pool), 0.9)
    dendrogram = random_tree_of_halves(scores)
    tree = factories.TreeFactory(round=round_, category=category, n=len(pool), packed=dendrogram.to_bytes())
    Mask.objects.bulk_create(
        Mask(tree=tree, position=place, class_score=0.9, predicted_iou=1, score=0.9, iou=1.0, **pool[row])
        for place, row in enumerate(dendrogram.order.tolist())
    )
    return tree


def _gold(painter: _Painter, count: int) -> None:
    made = 0
    while made < count:
        for category, fields in painter.scene(Role.HELDOUT)[: count - made]:
            correct = made % 2 == 0
            factories.GoldItemFactory(
                project=painter.project,
                category=category,
                is_correct=correct,
                iou=1.0 if correct else 0.3,
                origin=GoldItem.Origin.ANNOTATION if correct else GoldItem.Origin.SHIFTED,
                **(fields if correct else _shifted(fields)),
            )
            made += 1


def _shifted(fields: dict[str, object]) -> dict[str, object]:
    image = fields["image"]
    assert isinstance(image, Image)
    solid = masks.decode({"size": [image.height, image.width], "counts": fields["counts"]})
    return outlined(image, np.roll(solid, (image.height // 8, image.width // 8), axis=(0, 1)))
