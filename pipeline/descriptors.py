"""Feature vectors of masks without any network: their shape, and colour and texture inside and around them.

For masks of other models that come without features. Every block of a vector is scaled by fixed numbers, so
that vectors of different images, shards and machines agree and no pass over all of them is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline import masks
from pipeline.predictions import Rle

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SHAPE_SIDE = 14
CROP_SIDE = 48
CONTEXT = 0.25
"""Of a mask's box on every side, seen as its surroundings."""

COLOUR_BINS = 4
ORIENTATIONS = 8
CELLS = 2
DIMENSIONS = SHAPE_SIDE**2 + 12 + 2 * COLOUR_BINS**3 + 2 * CELLS**2 * ORIENTATIONS + 4


class CropFeatures(Protocol):
    """Something that turns masks of an image into vectors."""

    @property
    def name(self) -> str:
        """What the vectors are, for people."""

    def describe(self, picture: NDArray[np.uint8], rles: Sequence[Rle]) -> Floats:
        """(h, w, 3) uint8 image and k of its masks -> (k, d) float32."""


class Descriptors:
    """Satisfies CropFeatures with numpy alone."""

    name = "mask and crop descriptors"

    def describe(self, picture: NDArray[np.uint8], rles: Sequence[Rle]) -> Floats:
        """(h, w, 3) uint8 image and k of its masks -> (k, DIMENSIONS) float32, each row about 2 long.

        Blocks: the mask on a 14 x 14 grid; 12 numbers of its shape; colour histograms inside and around;
        histograms of gradient orientation inside and around, on 2 x 2 cells; 4 numbers of contrast along
        its outline.

        Raises
        ------
        ValueError
            When a mask is of another size than the image.
        """
        rows = np.zeros((len(rles), DIMENSIONS), dtype=np.float32)
        for row, rle, box in zip(rows, rles, masks.boxes(rles).reshape(-1, 4), strict=True):
            if tuple(rle["size"]) != picture.shape[:2]:
                raise ValueError(f"A mask of size {rle['size']} in an image of {list(picture.shape[:2])}.")
            if box[2] > 0:
                row[:] = _described(picture, masks.decode(rle), box)
        return rows


def _described(picture: NDArray[np.uint8], mask: Bools, box: NDArray[np.float64]) -> Floats:
    x, y, width, height = box
    tight = mask[int(y) : int(y + height), int(x) : int(x + width)]
    crop, inside = _crop(picture, mask, box)
    dark, light, bins = crop.min(), crop.max(), COLOUR_BINS
    even = (crop - dark) / max(float(light - dark), 0.1)  # so that one thing in sun and shade looks alike
    blocks = [
        _unit(_grid(tight)),
        _shape_numbers(tight, mask.shape, box),
        *(_unit(_colours(even, where, bins)) for where in (inside, ~inside)),
        *_gradients(even, inside),
        _outline_contrast(crop, inside),
    ]
    return np.concatenate(blocks)


def window(box: NDArray[np.float64], shape: tuple[int, ...], *, context: float) -> tuple[slice, slice]:
    """The pixels of a box x, y, width, height widened by `context` of its longer side, within the image."""
    x, y, width, height = box
    margin = max(2.0, context * max(width, height))
    return (
        slice(max(0, int(y - margin)), min(shape[0], int(np.ceil(y + height + margin)))),
        slice(max(0, int(x - margin)), min(shape[1], int(np.ceil(x + width + margin)))),
    )


def _crop(picture: NDArray[np.uint8], mask: Bools, box: NDArray[np.float64]) -> tuple[Floats, Bools]:
    """(48, 48, 3) float32 in [0, 1] of a mask with its surroundings, and (48, 48) bool of the mask."""
    part = window(box, mask.shape, context=CONTEXT)
    size = (CROP_SIDE, CROP_SIDE)
    colours = Image.fromarray(picture[part]).resize(size, Image.Resampling.BOX)
    inside = np.asarray(Image.fromarray(mask[part].astype(np.uint8) * 255).resize(size, Image.Resampling.BOX))
    at_least_one = inside >= min(128, int(inside.max()))
    return np.asarray(colours, dtype=np.float32) / np.float32(255), at_least_one


def _grid(tight: Bools) -> Floats:
    small = Image.fromarray(tight.astype(np.uint8) * 255).resize(
        (SHAPE_SIDE, SHAPE_SIDE), Image.Resampling.BOX
    )
    return (np.asarray(small, dtype=np.float32) / np.float32(255)).ravel()


def _shape_numbers(tight: Bools, shape: tuple[int, ...], box: NDArray[np.float64]) -> Floats:
    """12 numbers of about unit size: extent, elongation, fill, parts, raggedness, place, Hu's moments."""
    x, y, width, height = box
    area = float(np.count_nonzero(tight))
    parts = ndimage.label(tight)[1]
    rim = area - float(np.count_nonzero(ndimage.binary_erosion(tight)))
    touching = x <= 0 or y <= 0 or x + width >= shape[1] or y + height >= shape[0]
    numbers = [
        np.log(area / (shape[0] * shape[1])) / 8,
        np.log(width / height),
        area / (width * height),
        min(parts, 5) / 5,
        rim * rim / area / 40,
        float(touching),
        *_hu_moments(tight)[:6],
    ]
    return np.clip(np.array(numbers, dtype=np.float32), -2, 2) * np.float32(0.4)


def _hu_moments(tight: Bools) -> list[float]:
    """The first six of Hu's moments, which ignore place, size and turn, on a signed logarithmic scale."""
    step = max(1, max(tight.shape) // 64)  # finer would change nothing but the time
    sparse = tight[::step, ::step] if tight[::step, ::step].any() else tight
    y, x = (axis.astype(np.float64) for axis in np.nonzero(sparse))
    x, y = x - x.mean(), y - y.mean()

    def eta(p: int, q: int) -> float:
        return float((x**p * y**q).sum() / float(len(x)) ** (1 + (p + q) / 2))

    n20, n02, n11, n30, n03, n21, n12 = (
        eta(*pq) for pq in ((2, 0), (0, 2), (1, 1), (3, 0), (0, 3), (2, 1), (1, 2))
    )
    a, b = n30 + n12, n21 + n03
    moments = [
        n20 + n02,
        (n20 - n02) ** 2 + 4 * n11**2,
        (n30 - 3 * n12) ** 2 + (3 * n21 - n03) ** 2,
        a**2 + b**2,
        (n30 - 3 * n12) * a * (a**2 - 3 * b**2) + (3 * n21 - n03) * b * (3 * a**2 - b**2),
        (n20 - n02) * (a**2 - b**2) + 4 * n11 * a * b,
    ]
    return [float(np.sign(moment) * np.log1p(abs(moment) * 1e3) / 5) for moment in moments]


def _colours(crop: Floats, where: Bools, bins: int) -> Floats:
    """(bins^3,) square roots of the shares of colours; a colour is shared among the bins around it."""
    place = crop[where] * (bins - 1)
    low = np.minimum(place.astype(np.intp), bins - 2)
    high_share = place - low
    counts = np.zeros(bins**3)
    for corner in np.ndindex(2, 2, 2):
        cells = low + corner
        shares = np.where(corner, high_share, 1 - high_share).prod(axis=1)
        flat = (cells[:, 0] * bins + cells[:, 1]) * bins + cells[:, 2]
        counts += np.bincount(flat, weights=shares, minlength=bins**3)
    roots: Floats = np.sqrt(counts / max(1, len(place))).astype(np.float32)
    return roots


def _gradients(crop: Floats, inside: Bools) -> tuple[Floats, Floats]:
    """Histograms of gradient orientation, weighted by strength, on 2 x 2 cells: inside and around."""
    down, right, strength = _steepest(crop)
    turn = (np.arctan2(down, right) % np.pi) / np.pi * ORIENTATIONS
    low = np.floor(turn).astype(np.intp)
    half = np.arange(CROP_SIDE) * CELLS // CROP_SIDE
    cells = (half[:, None] * CELLS + half[None, :]) * ORIENTATIONS
    sums = []
    for where in (inside, ~inside):
        histogram = np.zeros(CELLS**2 * ORIENTATIONS)
        for step, share in ((0, low + 1 - turn), (1, turn - low)):  # shared between the two nearest
            bins = (cells + (low + step) % ORIENTATIONS)[where]
            histogram += np.bincount(bins, weights=(strength * share)[where], minlength=len(histogram))
        sums.append(_unit(np.sqrt(histogram).astype(np.float32)))
    return sums[0], sums[1]


def _steepest(crop: Floats) -> tuple[Floats, Floats, Floats]:
    """The gradient down and to the right, and its length, of the channel in which it is longest."""
    down, right = np.gradient(crop, axis=(0, 1))
    lengths = np.hypot(down, right)
    best = lengths.argmax(axis=2)[:, :, None]
    chosen = [np.take_along_axis(values, best, axis=2)[:, :, 0] for values in (down, right, lengths)]
    return chosen[0], chosen[1], chosen[2]


def _outline_contrast(crop: Floats, inside: Bools) -> Floats:
    """How well an outline follows an edge: colour steps across it, gradients on it against those off it."""
    inner, outer = inside & ~ndimage.binary_erosion(inside), ndimage.binary_dilation(inside) & ~inside
    strength = _steepest(crop)[2]
    step = _mean(crop, inner) - _mean(crop, outer)
    rest = _mean(crop, inside) - _mean(crop, ~inside)
    on = _mean(strength, inner | outer)
    off = _mean(strength, inside & ~inner)
    numbers = [np.linalg.norm(step), np.linalg.norm(rest), on * 4, (on - off) * 4]
    return np.clip(np.array(numbers, dtype=np.float32), -2, 2)


def _mean(values: Floats, where: Bools) -> Floats:
    return values[where].mean(axis=0) if where.any() else np.zeros(values.shape[2:], dtype=np.float32)


def _unit(block: Floats) -> Floats:
    """The block at length 1, or as it is where it is all zeros."""
    return block / np.float32(max(float(np.linalg.norm(block)), 1e-6))
