"""Masks as run lengths: reading COCO's forms, areas, boxes, IoU, outlines and polygons.

A pixel (column x, row y) covers [x, x+1) x [y, y+1); coordinates are those of the upright image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import contourpy
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from pipeline import tracing
from pipeline.predictions import Rle

Floats = NDArray[np.float64]

_AREAS_AT_ONCE = 255  # pycocotools writes their number into eight bits
_MAX_CHARACTERS_PER_RUN = 12  # 60 bits of five: more cannot be a run of an image


class InvalidMask(ValueError):
    """A segmentation that cannot be read as a mask of its image; the message says why."""


class EmptyMask(InvalidMask):
    """A well-formed segmentation that covers no pixel of its image."""


def from_coco(segmentation: object, *, height: int, width: int) -> Rle:
    """COCO's `segmentation` -> compressed RLE of an image of height x width pixels.

    Polygons (several make a union), uncompressed and compressed RLE. What lies outside the image is cut off.

    Raises
    ------
    EmptyMask
        When no pixel of the image is covered.
    InvalidMask
        When the segmentation is malformed or of another size than the image.
    """
    if isinstance(segmentation, Mapping):
        rle = _from_runs(segmentation, height, width)
    elif isinstance(segmentation, list | tuple):
        rle = _from_polygons(segmentation, height, width)
    else:
        raise InvalidMask(
            f"a segmentation is a list of polygons or an RLE, not {type(segmentation).__name__}"
        )
    if not coco_mask.area(rle):
        raise EmptyMask(f"the mask covers no pixel of the {width} x {height} image")
    return rle


def _from_runs(rle: Mapping[str, Any], height: int, width: int) -> Rle:
    if "size" not in rle or "counts" not in rle:
        raise InvalidMask("an RLE needs 'size' and 'counts'")
    if not isinstance(rle["size"], Sequence) or list(rle["size"]) != [height, width]:
        raise InvalidMask(f"an RLE of size {rle['size']} in an image of height, width {[height, width]}")
    counts = rle["counts"]
    if isinstance(counts, str | bytes):
        packed = _ascii(counts)
        _check_runs(_unpack(packed), height, width)
        return {"size": [height, width], "counts": packed}
    runs = _whole_numbers(counts)
    _check_runs(runs, height, width)
    uncompressed = {"size": [height, width], "counts": runs.tolist()}
    return _owned(coco_mask.frPyObjects(uncompressed, height, width))


def _ascii(counts: str | bytes) -> bytes:
    try:
        return counts if isinstance(counts, bytes) else counts.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidMask("the compressed counts of an RLE hold a character that is not ASCII") from None


def _whole_numbers(counts: object) -> NDArray[np.int64]:
    try:
        numbers = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidMask("the counts of an RLE are neither a string nor a list of whole numbers") from None
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or (numbers != np.floor(numbers)).any():
        raise InvalidMask("the counts of an RLE are neither a string nor a list of whole numbers")
    return numbers.astype(np.int64)


def _check_runs(runs: NDArray[np.int64], height: int, width: int) -> None:
    # pycocotools writes through whatever the runs say, past the end of the image too: look first.
    if (runs < 0).any():
        raise InvalidMask("an RLE with a negative run")
    if (runs > height * width).any():  # Else their sum may come round to what it should be.
        raise InvalidMask(f"an RLE with a run longer than its image of {height * width} pixels")
    if runs.sum() != height * width:
        raise InvalidMask(f"an RLE whose runs cover {runs.sum()} pixels of an image of {height * width}")


def _unpack(counts: bytes) -> NDArray[np.int64]:
    """Compressed counts -> (r,) run lengths, the first one outside the mask.

    Five bits to a character, lowest first, bit 5 says that more follow; from the fourth run on a number
    is the difference to the run before the previous one (pycocotools' maskApi.c).
    """
    characters = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if not len(characters):
        return characters
    last = (characters & 32) == 0
    if (characters < 0).any() or (characters > 63).any() or not last[-1]:
        raise InvalidMask("the compressed counts of an RLE are damaged")
    ends = np.flatnonzero(last) + 1
    starts = np.concatenate(([0], ends[:-1]))
    lengths = ends - starts
    if lengths.max() > _MAX_CHARACTERS_PER_RUN:
        raise InvalidMask("the compressed counts of an RLE hold a run larger than any image")
    shifts = 5 * (np.arange(len(characters)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((characters & 31) << shifts, starts)
    runs -= np.where(characters[ends - 1] & 16, np.int64(1) << (5 * lengths), 0)
    runs[2::2] = np.cumsum(runs[2::2])
    runs[1::2] = np.cumsum(runs[1::2])
    return np.asarray(runs, dtype=np.int64)


def _from_polygons(polygons: Sequence[object], height: int, width: int) -> Rle:
    if not polygons:
        raise InvalidMask("a segmentation without polygons")
    flat = [_within_reach(_points(polygon), height, width).ravel().tolist() for polygon in polygons]
    parts = [polygon for polygon in flat if len(polygon) >= 6]
    if not parts:
        raise EmptyMask(f"all polygons lie outside the {width} x {height} image")
    return _owned(coco_mask.merge(coco_mask.frPyObjects(parts, height, width)))


def _points(polygon: object) -> Floats:
    try:
        numbers = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidMask("a polygon is a flat list of numbers x0, y0, x1, y1, …") from None
    if numbers.ndim != 1 or len(numbers) % 2:
        raise InvalidMask("a polygon is a flat list of numbers x0, y0, x1, y1, …")
    if len(numbers) < 6:  # pycocotools would take four numbers for a box
        raise InvalidMask(f"a polygon of {len(numbers) // 2} points has no inside")
    if not np.isfinite(numbers).all():
        raise InvalidMask("a polygon with a coordinate that is not finite")
    return numbers.reshape(-1, 2)


def _within_reach(points: Floats, height: int, width: int) -> Floats:
    """The polygon, cut by the image's surroundings where it leaves them.

    pycocotools walks along every edge in steps of a fifth of a pixel, so a stray coordinate of 1e12 would
    cost terabytes. Polygons within one image size of the image pass unchanged.
    """
    for axis, extent in ((0, width), (1, height)):
        points = _cut(points, axis, -float(extent), 1.0)
        points = _cut(points, axis, 2.0 * extent, -1.0)
    return points


def _cut(points: Floats, axis: int, limit: float, side: float) -> Floats:
    """Sutherland-Hodgman: the part of a polygon with side * (coordinate - limit) >= 0."""
    depth = side * (points[:, axis] - limit)
    if (depth >= 0).all():
        return points
    following, next_depth = np.roll(points, -1, axis=0), np.roll(depth, -1)
    crosses = (depth >= 0) != (next_depth >= 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = points + (following - points) * (depth / (depth - next_depth))[:, None]
    both = np.stack([points, crossing], axis=1).reshape(-1, 2)
    inside: Floats = both[np.stack([depth >= 0, crosses], axis=1).ravel()]
    return inside


def _owned(rle: Mapping[str, Any]) -> Rle:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"]}


def encode(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> Rle:
    """(height, width) mask, true inside -> RLE."""
    return _owned(coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8)))


def decode(rle: Rle) -> NDArray[np.bool_]:
    """RLE -> (height, width) bool."""
    height, width = rle["size"]
    return _columns(_unpack(rle["counts"]), height, width)


def _columns(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Runs down the columns, outside first -> (height, width) bool."""
    pixels = np.zeros(height * width, dtype=np.bool_)
    ends = np.cumsum(runs).tolist()
    for start, end in zip(ends[0::2], ends[1::2], strict=False):
        pixels[start:end] = True
    return pixels.reshape(width, height).T


def areas(rles: Sequence[Rle]) -> NDArray[np.int64]:
    """n RLEs -> (n,) int64 pixels inside each."""
    parts = [coco_mask.area(list(rles[i : i + _AREAS_AT_ONCE])) for i in range(0, len(rles), _AREAS_AT_ONCE)]
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def boxes(rles: Sequence[Rle]) -> Floats:
    """n RLEs -> (n, 4) float64 x, y, width, height in pixels; zeros for a mask without pixels."""
    return np.asarray(coco_mask.toBbox(list(rles)), dtype=np.float64).reshape(-1, 4)


def iou(
    a: Sequence[Rle], b: Sequence[Rle], crowd: Sequence[bool] | NDArray[np.bool_] | None = None
) -> Floats:
    """n and m RLEs of one image -> (n, m) float64 intersection over union.

    Where `crowd[j]` is set the intersection is divided by the area of `a[i]` alone, as COCO does for regions.

    Raises
    ------
    InvalidMask
        When the masks are not all of the same size.
    """
    if not a or not b:
        return np.zeros((len(a), len(b)))
    if len({tuple(rle["size"]) for rle in (*a, *b)}) > 1:
        raise InvalidMask("the IoU of masks of images of different sizes is not defined")
    flags = [False] * len(b) if crowd is None else [bool(flag) for flag in crowd]
    return np.asarray(coco_mask.iou(list(a), list(b), flags), dtype=np.float64).reshape(len(a), len(b))


def oriented(rle: Rle, orientation: int) -> Rle:
    """The mask turned as a viewer turns an image whose EXIF orientation is `orientation` (1 to 8)."""
    if orientation == 1:
        return rle
    mask = decode(rle)
    if orientation in (5, 6, 7, 8):
        mask = mask.T
    if orientation in (3, 4, 7, 8):
        mask = mask[::-1]
    if orientation in (2, 3, 6, 7):
        mask = mask[:, ::-1]
    return encode(mask)


def outline(rle: Rle, *, origin: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> str:
    """SVG path data of the mask's outlines, to be filled with fill-rule evenodd.

    The path is the half-pixel isoline: it passes midway between the centres of inner and outer pixels,
    cutting corners by an eighth of a pixel, so that a pixel is in the mask exactly if its centre is inside
    the path. Holes and separate parts are kept, points on a straight line dropped, coordinates relative.

    Parameters
    ----------
    origin, scale : a point p in image pixels is drawn at (p - origin) * scale, then to a tenth of a unit.
    """
    x, y, width, height = (int(side) for side in coco_mask.toBbox(rle))
    steps = 2 if scale == 1.0 and all(float(2 * side).is_integer() for side in origin) else 10
    window = tracing.framed(_unpack(rle["counts"]), rle["size"][0], x, y, width, height)
    left, top = (at - 0.5 - side for at, side in zip((x, y), origin, strict=True))
    return tracing.traced(window, left, top, scale * steps, steps).tobytes().decode("ascii")


def polygons(rle: Rle) -> list[list[float]]:
    """The mask as COCO polygons [x0, y0, x1, y1, …], one to each connected part.

    COCO knows no holes: each is joined to its part's outline by a seam that is walked there and back, so that
    `from_coco` gives back exactly this mask.
    """
    return [_seamed(rings).ravel().tolist() for rings in _rings(rle)]


def one_polygon(rle: Rle) -> list[float]:
    """The mask as a single polygon [x0, y0, …], parts joined by seams like holes; empty for an empty mask."""
    rings = [ring for part in _rings(rle) for ring in part]
    return _seamed(rings).ravel().tolist() if rings else []


def _seamed(rings: list[Floats]) -> Floats:
    if len(rings) == 1:
        return rings[0][:-1]
    start = rings[0][:1]
    return np.concatenate([rings[0], *(part for ring in rings[1:] for part in (ring, start))])[:-1]


def _rings(rle: Rle) -> list[list[Floats]]:
    """For each connected part its outer ring, then its holes: closed, (p, 2) float64 x, y."""
    window, corner = _window(rle)
    if not window.size:
        return []
    height, width = window.shape
    framed = np.zeros((height + 2, width + 2))
    framed[1:-1, 1:-1] = window
    # contourpy puts pixel centres where it is told, and the frame is one pixel before the window
    x, y = (np.arange(side + 2) + (at - 0.5) for side, at in zip((width, height), corner, strict=True))
    parts: Sequence[Floats]
    offsets: Sequence[NDArray[np.uint32]]
    parts, offsets = _isolines(*np.meshgrid(x, y), framed).filled(0.5, 2.0)  # type: ignore[assignment, misc]
    return [
        [_without_collinear(part[lo:hi]) for lo, hi in pairwise(of)]
        for part, of in zip(parts, offsets, strict=True)
    ]


def _isolines(x: Floats, y: Floats, z: Floats) -> contourpy.SerialContourGenerator:
    """As contourpy.contour_generator makes one, which looks for masked values that there are none of first:
    a page has dozens of small outlines, and that took longer than drawing them.
    """
    return contourpy.SerialContourGenerator(
        x, y, z, None,  # type: ignore[arg-type]  # As the factory passes it.
        corner_mask=True, line_type=contourpy.LineType.Separate, fill_type=contourpy.FillType.OuterOffset,
        quad_as_tri=False, z_interp=contourpy.ZInterp.Linear,
    )  # fmt: skip


def _without_collinear(ring: Floats) -> Floats:
    """A closed ring without the points at which it goes straight on."""
    moves = np.diff(ring, axis=0)
    before = np.roll(moves, 1, axis=0)
    turns = before[:, 0] * moves[:, 1] != before[:, 1] * moves[:, 0]
    corners = ring[:-1][turns]
    return np.concatenate([corners, corners[:1]])


def _window(rle: Rle) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The mask's pixels within its box, and the box's left upper corner (x, y).

    Runs go down the columns, so the box's columns are one stretch of them: an image of any size costs
    what its mask costs.
    """
    x, y, width, height = (int(side) for side in coco_mask.toBbox(rle))
    rows = rle["size"][0]
    ends = np.clip(np.cumsum(_unpack(rle["counts"])), x * rows, (x + width) * rows)
    runs = np.diff(ends, prepend=x * rows)
    return _columns(runs, rows, width)[y : y + height], (x, y)
