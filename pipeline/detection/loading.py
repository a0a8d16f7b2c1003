"""Images on their way to the network: decoded and resized ahead of it, by threads; broken ones set aside."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline import masks
from pipeline.detection.detector import AnnotatedImage, ignored_from
from pipeline.pictures import ImageSource, UnreadableImage, pixels, read_upright
from pipeline.predictions import Rle

In = TypeVar("In")
Out = TypeVar("Out")

LONGEST = 5 / 3
"""The longer side of a resized image is at most this times the short side asked for."""


@dataclass(frozen=True, slots=True)
class Resized:
    """An image as the network sees it.

    Attributes
    ----------
    image : (3, h, w) uint8
    height, width : of the upright image it was made from
    """

    image: NDArray[np.uint8]
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A resized image and its objects.

    Attributes
    ----------
    image : (3, h, w) uint8
    labels : (k,) int64 from 1, in the order of the model's categories
    masks : (k, h, w) uint8
    ignored : (j, h, w) uint8 regions that are no background
    sparse : whether there may be objects without an annotation
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]
    ignored: NDArray[np.uint8]
    sparse: bool


def fitted(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The size of an image once its short side is `short_side`, or its long one is at its limit."""
    scale = min(short_side / min(height, width), short_side * LONGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def read_resized(source: ImageSource, *, short_side: int) -> Resized:
    """Decode, turn upright and resize.

    Raises
    ------
    UnreadableImage
    """
    picture = read_upright(source)
    height, width = fitted(picture.height, picture.width, short_side)
    small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    channels_first = np.ascontiguousarray(pixels(small).transpose(2, 0, 1))
    return Resized(channels_first, picture.height, picture.width)


def read_sample(
    image: AnnotatedImage, *, short_side: int, category_ids: tuple[int, ...], ignored_score: float = 0.0
) -> Sample:
    """An annotated image as the network learns from it; objects of other categories are left out.

    Raises
    ------
    UnreadableImage
        When it cannot be decoded, or is not of the size its annotations were made for.
    """
    resized = read_resized(image.source, short_side=short_side)
    if (resized.height, resized.width) != (image.height, image.width):
        raise UnreadableImage(
            f"{image.source.name}: is {resized.width} x {resized.height}, "
            f"annotated as {image.width} x {image.height}."
        )
    labels = [category_ids.index(one) + 1 if one in category_ids else 0 for one in image.categories.tolist()]
    learnt = [row for row, label in enumerate(labels) if label and not image.crowd[row]]
    crowd = [rle for rle, many in zip(image.masks, image.crowd, strict=True) if many]
    size = (resized.image.shape[1], resized.image.shape[2])
    shapes = _shrunk([image.masks[row] for row in learnt], size)
    visible = shapes.any(axis=(1, 2))
    return Sample(
        image=resized.image,
        labels=np.array([labels[row] for row in learnt], dtype=np.int64)[visible],
        masks=shapes[visible],
        ignored=_shrunk([*crowd, *ignored_from(image, ignored_score)], size),
        sparse=image.sparse,
    )


def _shrunk(rles: list[Rle], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(k, *size) uint8 of masks brought to another size."""
    small = np.zeros((len(rles), *size), dtype=np.uint8)
    for row, rle in zip(small, rles, strict=True):
        whole = Image.fromarray(masks.decode(rle).astype(np.uint8) * 255)
        shrunk = whole.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=3.0)
        row[:] = np.asarray(shrunk) >= 128
    return small


def flipped(sample: Sample) -> Sample:
    """The sample as seen in a mirror."""
    return Sample(
        np.ascontiguousarray(sample.image[:, :, ::-1]),
        sample.labels,
        np.ascontiguousarray(sample.masks[:, :, ::-1]),
        np.ascontiguousarray(sample.ignored[:, :, ::-1]),
        sample.sparse,
    )


def jittered(
    sample: Sample, rng: np.random.Generator, *, scales: tuple[float, float], light: float
) -> Sample:
    """The sample seen from nearer or farther, and in another light.

    Parameters
    ----------
    scales : the least and the greatest factor of its size
    light : the most that brightness changes by, as a share; a third of it for each colour
    """
    factor = rng.uniform(*scales)
    height, width = (max(1, round(side * factor)) for side in sample.image.shape[1:])
    picture = _resized(np.ascontiguousarray(sample.image.transpose(1, 2, 0)), height, width)
    gain = rng.uniform(1 - light, 1 + light) * rng.uniform(1 - light / 3, 1 + light / 3, 3)
    lit = np.clip(picture * gain + 0.5, 0, 255).astype(np.uint8)
    masks_then = _all_resized(sample.masks, height, width)
    visible = masks_then.any(axis=(1, 2))
    return Sample(
        np.ascontiguousarray(lit.transpose(2, 0, 1)),
        sample.labels[visible],
        masks_then[visible],
        _all_resized(sample.ignored, height, width),
        sample.sparse,
    )


def _resized(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))


def _all_resized(shapes: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(k, h, w) masks of 0 and 1 at another size."""
    found = np.zeros((len(shapes), height, width), dtype=np.uint8)
    for row, shape in zip(found, shapes, strict=True):
        row[:] = _resized(shape * np.uint8(255), height, width) >= 128
    return found


def boxes_of(shapes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(k, h, w) masks, none empty -> (k, 4) float32 x0, y0, x1, y1."""
    if not len(shapes):
        return np.zeros((0, 4), dtype=np.float32)
    rows, columns = np.asarray(shapes.any(axis=2)), np.asarray(shapes.any(axis=1))
    edges = [
        columns.argmax(axis=1),
        rows.argmax(axis=1),
        columns.shape[1] - columns[:, ::-1].argmax(axis=1),
        rows.shape[1] - rows[:, ::-1].argmax(axis=1),
    ]
    return np.stack(edges, axis=1).astype(np.float32)


def ahead(
    items: Iterable[In], work: Callable[[In], Out], *, threads: int, waiting: int
) -> Iterator[tuple[In, Future[Out]]]:
    """Yield each item with its finished work, in order, while threads work on up to `waiting` later ones.

    Work that failed is told by its future, so that one broken item costs itself only.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="detection") as pool:
        queue: deque[tuple[In, Future[Out]]] = deque()
        try:
            for item in items:
                queue.append((item, pool.submit(work, item)))
                if len(queue) > waiting:
                    yield _finished(queue)
            while queue:
                yield _finished(queue)
        finally:
            for _, future in queue:
                future.cancel()


def _finished(queue: deque[tuple[In, Future[Out]]]) -> tuple[In, Future[Out]]:
    item, future = queue.popleft()
    future.exception()  # waits, and keeps a failure for whoever asks for the result
    return item, future
