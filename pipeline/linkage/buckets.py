"""Sorting feature vectors into files of near ones, none too large to be loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.kmeans import centres, grouped, nearest_centre, sample_size
from pipeline.linkage.points import Frame, coordinates, refuse_unfit
from pipeline.linkage.threads import Crew
from pipeline.progress import Progress, silent
from pipeline.rows import Rows

_PIECE = 16384
_MOST_BUCKETS = 1024

Split = Callable[[NDArray[np.floating], NDArray[np.int64]], NDArray[np.integer]]
"""(features, row numbers) of some rows -> the part of each, counted from 0."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Files `rows/K` (int64 row numbers), `scores/K` (float64), `features/K` (as in the source) in a folder.

    Attributes
    ----------
    width, dtype : of the features
    scored : whether there are scores
    """

    folder: Path
    width: int
    dtype: np.dtype[Any]
    scored: bool

    def clear(self) -> None:
        """Remove what an interrupted pass left behind."""
        for part in ("rows", "scores", "features", "trees"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
            for file in (self.folder / part).iterdir():
                file.unlink()

    def append(
        self,
        bucket: int,
        rows: NDArray[np.int64],
        scores: NDArray[np.floating] | None,
        features: NDArray[np.floating],
    ) -> None:
        """Add rows to a bucket."""
        parts: dict[str, NDArray[Any]] = {"rows": rows, "features": features}
        if scores is not None:
            parts["scores"] = scores.astype(np.float64)
        for part, values in parts.items():
            with (self.folder / part / str(bucket)).open("ab") as file:
                values.tofile(file)

    def drop(self, bucket: int) -> None:
        """Remove a bucket."""
        for part in ("rows", "scores", "features"):
            (self.folder / part / str(bucket)).unlink(missing_ok=True)

    def rows(self, bucket: int) -> NDArray[np.int64]:
        """Row numbers of a bucket as they came."""
        return np.fromfile(self.folder / "rows" / str(bucket), np.int64)

    def scores(self, bucket: int) -> NDArray[np.float64] | None:
        """Scores of a bucket as they came; None where there are none."""
        return np.fromfile(self.folder / "scores" / str(bucket), np.float64) if self.scored else None

    def features(self, bucket: int, start: int = 0, count: int = -1) -> NDArray[np.floating]:
        """Feature vectors of a bucket as they came, from the `start`-th on."""
        items, skipped = max(-1, count * self.width), start * self.width * self.dtype.itemsize
        held = np.fromfile(self.folder / "features" / str(bucket), self.dtype, items, offset=skipped)
        return held.reshape(-1, self.width)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A bucket as a source of rows."""

    buckets: Buckets
    number: int
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.buckets.dtype

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[np.floating]:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.shape[0])
            return self.buckets.features(self.number, start, stop - start)
        pieces = [
            self[start : start + _PIECE][rows[(rows >= start) & (rows < start + _PIECE)] - start]
            for start in range(0, self.shape[0], _PIECE)
        ]
        return np.concatenate(pieces)


def fill(
    features: Rows,
    scores: NDArray[np.floating] | None,
    frame: Frame,
    *,
    buckets: Buckets,
    wanted: int,
    most: int,
    rng: np.random.Generator,
    crew: Crew,
    progress: Progress,
) -> NDArray[np.int64]:
    """Sort all rows into buckets of about `wanted`, at most `most` masks.

    Returns
    -------
    (k,) int64, the masks in buckets 0 to k - 1; 0 for those that were too large and split again.

    Raises
    ------
    InvalidFeatures
        When a row holds NaN or infinity (says which).
    """
    n = features.shape[0]
    nearest = _by_centres(features, scores, None, frame, n // wanted, rng)
    counts = _sorted(features, scores, np.arange(n), nearest, 0, buckets, crew, progress)
    bucket = 0
    while bucket < len(counts):
        if counts[bucket] > most:
            counts += _split(bucket, counts[bucket], scores, frame, len(counts), buckets, wanted, rng, crew)
            buckets.drop(bucket)
            counts[bucket] = 0
        bucket += 1
    return np.array(counts, np.int64)


def _split(
    bucket: int,
    count: int,
    scores: NDArray[np.floating] | None,
    frame: Frame,
    first: int,
    buckets: Buckets,
    wanted: int,
    rng: np.random.Generator,
    crew: Crew,
) -> list[int]:
    """Sort a bucket that is too large into new ones, numbered from `first`."""
    source, rows = _Bucket(buckets, bucket, (count, buckets.width)), buckets.rows(bucket)
    nearest = _by_centres(source, scores, rows, frame, count // wanted, rng)
    counts = _sorted(source, scores, rows, nearest, first, buckets, crew, silent)
    if max(counts) < count:
        return counts
    buckets.drop(first + int(np.argmax(counts)))  # all are alike: any parts are as good
    by_number = np.sort(rows)
    return _sorted(
        source,
        scores,
        rows,
        lambda _, numbers: np.searchsorted(by_number, numbers) // wanted,
        first,
        buckets,
        crew,
        silent,
    )


def _by_centres(
    features: Rows,
    scores: NDArray[np.floating] | None,
    rows: NDArray[np.int64] | None,
    frame: Frame,
    parts: int,
    rng: np.random.Generator,
) -> Split:
    """A split by the nearest of some centres, found on a sample; `rows` numbers the features' rows."""
    n, k = features.shape[0], min(_MOST_BUCKETS, max(1, parts))
    places = np.sort(rng.choice(n, min(sample_size(k), n), replace=False))
    numbers = places if rows is None else rows[places]
    sample = frame.points(features[places], None if scores is None else scores[numbers])
    found = centres(coordinates(sample), min(k, len(places)), rng)

    def nearest(piece: NDArray[np.floating], numbers: NDArray[np.int64]) -> NDArray[np.integer]:
        points = frame.points(piece, None if scores is None else scores[numbers])
        return nearest_centre(coordinates(points), found)

    return nearest


def _sorted(
    features: Rows,
    scores: NDArray[np.floating] | None,
    rows: NDArray[np.int64],
    split: Split,
    first: int,
    buckets: Buckets,
    crew: Crew,
    progress: Progress,
) -> list[int]:
    """One pass over the features: append every row to the files of its bucket; count them."""
    counts: list[int] = []
    lock = threading.Lock()

    def sort_piece(start: int, _: int) -> None:
        piece, numbers = features[start : start + _PIECE], rows[start : start + _PIECE]
        refuse_unfit(np.isfinite(piece).all(axis=1), numbers)
        part = split(piece, numbers)
        with lock:
            for bucket, places in enumerate(grouped(part, int(part.max()) + 1)):
                if bucket >= len(counts):
                    counts.append(0)
                if len(places):
                    at = numbers[places]
                    buckets.append(first + bucket, at, None if scores is None else scores[at], piece[places])
                counts[bucket] += len(places)
            progress(sum(counts), len(rows), "Sorting masks into buckets")

    crew.run(sort_piece, range(0, len(rows), _PIECE))
    return counts
