"""Masks made wrong on purpose, by a known amount: cut, grown, shifted, merged with a neighbour.

They are the questions whose answer is known to be no, so each must be clearly wrong, yet not absurd: the IoU
with the mask it was made of is steered to a target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline import masks
from pipeline.predictions import Rle

Bitmap: TypeAlias = NDArray[np.bool_]
Spoiling: TypeAlias = Callable[[Bitmap, float, np.random.Generator], Bitmap]

STEPS = 12
"""Halvings in the search for the length of a shift: enough for images of 4096 pixels."""


def cut(mask: Bitmap, target: float, rng: np.random.Generator) -> Bitmap:
    """Without the part beyond a straight line of random direction; the IoU is the share that is left."""
    y, x = np.nonzero(mask)
    along = _direction(rng) @ np.stack([y, x])
    kept = np.argsort(along, kind="stable")[: max(1, round(target * len(along)))]
    spoiled = np.zeros_like(mask)
    spoiled[y[kept], x[kept]] = True
    return spoiled


def grow(mask: Bitmap, target: float, _rng: np.random.Generator) -> Bitmap:
    """With the nearest pixels around it, until it is 1 / target times as large."""
    distance = ndimage.distance_transform_edt(~mask)
    nearest = np.argsort(distance, axis=None, kind="stable")[: round(np.count_nonzero(mask) / target)]
    spoiled = np.zeros_like(mask)
    spoiled[np.unravel_index(nearest, mask.shape)] = True
    return spoiled


def shift(mask: Bitmap, target: float, rng: np.random.Generator) -> Bitmap:
    """Moved in a random direction; what leaves the image is cut off."""
    direction, near, far = _direction(rng), 0.0, float(max(mask.shape))
    for _ in range(STEPS):
        middle = (near + far) / 2
        if _iou(_moved(mask, direction * middle), mask) > target:
            near = middle
        else:
            far = middle
    return _moved(mask, direction * far)


SPOILINGS: dict[str, Spoiling] = {"cut": cut, "grown": grow, "shifted": shift}


def spoil(rle: Rle, kind: str, *, target: float, rng: np.random.Generator) -> Rle:
    """The mask spoiled in one of the ways of `SPOILINGS`, so that its IoU with what it was is about `target`.

    Parameters
    ----------
    target : (0, 1), the IoU to aim at; masks of few pixels, or at the image's border, may miss it
    """
    mask = masks.decode(rle)
    rows, columns = _surroundings(mask)
    spoiled = np.zeros_like(mask)
    spoiled[rows, columns] = SPOILINGS[kind](mask[rows, columns], target, rng)
    return masks.encode(spoiled)


def merge(rle: Rle, neighbour: Rle) -> Rle:
    """The mask and a neighbour as if they were one object."""
    return masks.encode(masks.decode(rle) | masks.decode(neighbour))


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _surroundings(mask: Bitmap) -> tuple[slice, slice]:
    """The mask's box with as much around it on every side, within the image."""
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    return _widened(rows, mask.shape[0]), _widened(columns, mask.shape[1])


def _widened(extent: slice, limit: int) -> slice:
    size = extent.stop - extent.start
    return slice(max(0, extent.start - size), min(limit, extent.stop + size))


def _moved(mask: Bitmap, by: NDArray[np.float64]) -> Bitmap:
    down, right = (int(step) for step in np.rint(by))
    moved = np.zeros_like(mask)
    rows, columns = mask.shape
    if abs(down) < rows and abs(right) < columns:
        moved[max(0, down) : rows + min(0, down), max(0, right) : columns + min(0, right)] = mask[
            max(0, -down) : rows + min(0, -down), max(0, -right) : columns + min(0, -right)
        ]
    return moved


def _iou(a: Bitmap, b: Bitmap) -> float:
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a | b)))
