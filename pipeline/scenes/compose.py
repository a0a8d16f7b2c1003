"""Composing one scene: things placed one over the other, and the exact visible mask of each object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.paint import Light, Pixels, Sprite, illuminate, overlap, paint_ground, paint_thing, place
from pipeline.scenes.shapes import LOOKALIKES, OCCLUDERS, SPECIES, Part

Mask = NDArray[np.bool_]
ATTEMPTS = 12
"""Places tried for an object before the scene does without it."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """What generated scenes look like; ranges are inclusive, lengths in pixels.

    Attributes
    ----------
    height, width : of the image
    categories : names of the species that are objects, in the order of their category ids 1, 2, ...
    objects : how many objects are placed
    lookalikes : how many things of no category are placed among them
    grass : how many blades grow over everything
    diameters : size of an object
    min_visible : the share of every object that stays in sight, in [0, 1]; low values make hard scenes
    min_area : objects with fewer visible pixels are not placed
    """

    height: int = 256
    width: int = 256
    categories: tuple[str, ...] = tuple(SPECIES)
    objects: tuple[int, int] = (3, 7)
    lookalikes: tuple[int, int] = (1, 4)
    grass: tuple[int, int] = (0, 3)
    diameters: tuple[float, float] = (52.0, 100.0)
    min_visible: float = 0.5
    min_area: int = 150

    def __post_init__(self) -> None:
        unknown = [name for name in self.categories if name not in SPECIES]
        if unknown or not self.categories:
            raise ValueError(f"Unknown scene categories {unknown}: choose from {', '.join(SPECIES)}.")
        if min(self.height, self.width) < self.diameters[0]:
            raise ValueError(f"Objects of {self.diameters[0]} px do not fit {self.width} x {self.height} px.")


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture and everything there is to know about it.

    Attributes
    ----------
    image : (h, w, 3) uint8
    category_ids : k ids, from 1 in the order of `SceneOptions.categories`
    masks : k (h, w) bool, the visible pixels of each object, pairwise disjoint
    visible : k shares in (0, 1] of each object's pixels that are in sight
    """

    image: NDArray[np.uint8]
    category_ids: list[int]
    masks: list[Mask]
    visible: list[float]


@dataclass(slots=True)
class _Canvas:
    """A scene in the making: pixels, and for every placed object its whole and its still visible mask."""

    pixels: Pixels
    light: Light
    options: SceneOptions
    category_ids: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    masks: list[Mask] = field(default_factory=list)

    def keeps_all_in_sight(self, covered: Mask) -> bool:
        """Whether every object would still show enough of itself under something that covers these pixels."""
        for mask, area in zip(self.masks, self.areas, strict=True):
            seen = np.count_nonzero(mask & ~covered)
            if seen < max(self.options.min_area, self.options.min_visible * area):
                return False
        return True

    def cover(self, covered: Mask) -> None:
        self.masks = [mask & ~covered for mask in self.masks]


def generate(options: SceneOptions, rng: np.random.Generator) -> Scene:
    """Paint one scene; the same generator state gives the same scene."""
    light = Light.random(rng)
    canvas = _Canvas(paint_ground(options.height, options.width, rng), light, options)
    for category_id in _running_order(options, rng):
        if category_id:
            _add_object(canvas, category_id, rng)
        else:
            _add_clutter(canvas, LOOKALIKES, options.diameters, rng)
    for _ in range(_between(options.grass, rng)):
        side = min(options.height, options.width)
        _add_clutter(canvas, OCCLUDERS, (0.4 * side, 0.9 * side), rng)
    return Scene(
        image=illuminate(canvas.pixels, light, rng),
        category_ids=canvas.category_ids,
        masks=canvas.masks,
        visible=[int(mask.sum()) / area for mask, area in zip(canvas.masks, canvas.areas, strict=True)],
    )


def _between(bounds: tuple[int, int], rng: np.random.Generator) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))


def _running_order(options: SceneOptions, rng: np.random.Generator) -> list[int]:
    """Category ids of what is placed, bottom to top; 0 for a thing of no category."""
    objects = rng.integers(1, len(options.categories) + 1, size=_between(options.objects, rng))
    order = np.concatenate([objects, np.zeros(_between(options.lookalikes, rng), dtype=objects.dtype)])
    return [int(category_id) for category_id in rng.permutation(order)]


def _add_object(canvas: _Canvas, category_id: int, rng: np.random.Generator) -> None:
    species = SPECIES[canvas.options.categories[category_id - 1]]
    sprite = _grown(species.grow, canvas.options.diameters, canvas.light, rng)
    covered = _put(canvas, sprite, rng, needs=canvas.options.min_area)
    if covered is not None:
        canvas.category_ids.append(category_id)
        canvas.masks.append(covered)
        canvas.areas.append(int(covered.sum()))


def _add_clutter(
    canvas: _Canvas,
    kinds: tuple[Callable[[np.random.Generator], list[Part]], ...],
    diameters: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    grow = kinds[rng.integers(len(kinds))]
    _put(canvas, _grown(grow, diameters, canvas.light, rng), rng, needs=0)


def _grown(
    grow: Callable[[np.random.Generator], list[Part]],
    diameters: tuple[float, float],
    light: Light,
    rng: np.random.Generator,
) -> Sprite:
    diameter, turn = rng.uniform(*diameters), rng.uniform(0, 2 * np.pi)
    return paint_thing(grow(rng), diameter=diameter, turn=turn, light=light, rng=rng)


def _put(canvas: _Canvas, sprite: Sprite, rng: np.random.Generator, *, needs: int) -> Mask | None:
    """Place a sprite where it hides nothing too much; its mask, or None where no place was found."""
    side, margin = sprite.alpha.shape[0], sprite.alpha.shape[0] // 4
    solid = sprite.alpha >= 0.5
    for _ in range(ATTEMPTS):
        top = int(rng.integers(-margin, max(1, canvas.options.height - side + margin)))
        left = int(rng.integers(-margin, max(1, canvas.options.width - side + margin)))
        covered = _stamped(solid, canvas.pixels.shape, top, left)
        if np.count_nonzero(covered) >= needs and canvas.keeps_all_in_sight(covered):
            place(canvas.pixels, sprite, top=top, left=left, light=canvas.light)
            canvas.cover(covered)
            return covered
    return None


def _stamped(solid: Mask, shape: tuple[int, ...], top: int, left: int) -> Mask:
    """(h, w) bool: a square mask laid at (top, left), which may lie partly outside."""
    covered = np.zeros(shape[:2], dtype=bool)
    on_canvas, within = overlap(shape, solid.shape, top, left)
    covered[on_canvas] = solid[within]
    return covered
