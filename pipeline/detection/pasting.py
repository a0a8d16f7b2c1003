"""From a mask in its box to run lengths of the whole image, without ever drawing the whole image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from pipeline.predictions import Rle

Floats = NDArray[np.float32]


def paste(
    probabilities: Floats, box: Floats, *, height: int, width: int
) -> tuple[NDArray[np.bool_], int, int]:
    """A mask brought from its grid to the pixels of its box.

    Parameters
    ----------
    probabilities : (m, m) of the mask, cells spread evenly over the box
    box : (4,) x0, y0, x1, y1 in pixels of the image, which may reach beyond it
    height, width : of the image

    Returns
    -------
    (h, w) bool window of pixels of probability at least a half; its top and left in the image
    """
    rows, top = _sampling(box[1], box[3], height, len(probabilities))
    columns, left = _sampling(box[0], box[2], width, len(probabilities))
    return rows @ probabilities @ columns.T >= 0.5, top, left


def _sampling(start: float, end: float, limit: int, cells: int) -> tuple[Floats, int]:
    """(n, cells) weights that interpolate `cells` values at the pixels within [start, end), and the first.

    Beyond the outermost cells the values fall off to 0, as if the grid were padded with zeros.
    """
    first, last = max(0, int(np.floor(start))), min(limit, int(np.ceil(end)))
    centres = np.arange(first, max(first, last), dtype=np.float32) + 0.5
    place = (centres - start) / max(end - start, 1e-3) * cells - 0.5
    distance = np.abs(place[:, None] - np.arange(cells, dtype=np.float32))
    return np.maximum(0, 1 - distance).astype(np.float32), first


def encode_window(window: NDArray[np.bool_], *, top: int, left: int, height: int, width: int) -> Rle:
    """The RLE of a height x width image that is empty but for a window at (top, left)."""
    edges = np.zeros((window.shape[1], window.shape[0] + 2), dtype=np.int8)
    edges[:, 1:-1] = window.T
    steps = np.diff(edges, axis=1)
    starts, ends = (_positions(steps == sign, top, left, height) for sign in (1, -1))
    apart = starts[1:] != ends[:-1]  # a run to the bottom goes on at the top of the next column
    starts, ends = starts[np.r_[True, apart][: len(starts)]], ends[np.r_[apart, True][: len(ends)]]
    bounds = np.concatenate([[0], np.stack([starts, ends], axis=1).ravel(), [height * width]])
    counts = np.diff(bounds).tolist()
    if len(counts) > 1 and not counts[-1]:
        counts.pop()
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": packed["counts"]}


def _positions(hits: NDArray[np.bool_], top: int, left: int, height: int) -> NDArray[np.int64]:
    """Hits in a window's columns as positions in the image, counted column by column."""
    columns, rows = np.nonzero(hits)
    return (left + columns) * height + top + rows
