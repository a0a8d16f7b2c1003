"""Small projects of painted images that the fake detector can learn and predict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from annotation_site.catalog.models import Annotation, Category, Image, Project, Role
from tests import factories

COLOURS = {"brick": (200, 60, 40), "slate": (40, 90, 190)}
SIDE = 64


def painted_project(
    folder: Path, *, seed: int = 0, images: Mapping[Role, int] | None = None, **parameters: object
) -> Project:
    """A project of two colours of rectangles, all annotated, with the fake detector."""
    counts = images or {Role.INITIAL: 3, Role.HELDOUT: 4, Role.POOL: 6}
    defaults = {"detector": "fake", "seed": seed, "confidence": 0.0, "min_size": 2}
    project = factories.ProjectFactory(**{**defaults, **parameters})
    categories = [
        factories.CategoryFactory(project=project, coco_id=7 + i, name=name) for i, name in enumerate(COLOURS)
    ]
    rng = np.random.default_rng(seed)
    for role, count in counts.items():
        for number in range(count):
            _painted_image(project, role, f"{role}-{number}.png", categories, folder, rng)
    return project


def _painted_image(
    project: Project,
    role: Role,
    name: str,
    categories: list[Category],
    folder: Path,
    rng: np.random.Generator,
) -> Image:
    pixels = np.full((SIDE, SIDE, 3), 235, np.uint8)
    path = folder / f"{project.slug}-{name}"
    image = factories.ImageFactory(
        project=project, role=role, name=name, path=str(path), width=SIDE, height=SIDE,
        digest=f"{project.pk}-{name}",
    )  # fmt: skip
    for left, top in ((2, 2), (34, 2), (2, 34), (34, 34)):
        category = categories[int(rng.integers(2))]
        x, y = left + int(rng.integers(6)), top + int(rng.integers(6))
        width, height = (int(side) for side in rng.integers(12, 20, 2))
        pixels[y : y + height, x : x + width] = COLOURS[category.name]
        Annotation.objects.create(
            image=image, category=category, x=x, y=y, width=width, height=height, area=width * height,
            counts=factories.rectangle(x, y, width, height, size=(SIDE, SIDE)),
        )  # fmt: skip
    Picture.fromarray(pixels).save(path)
    return image
