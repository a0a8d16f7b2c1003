"""Predictions of a results file laid out on disk by image, in whatever order the file has them."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.batches import in_batches

ROWS_AT_ONCE = 10_000

_LAYOUT = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE result (
    image INTEGER NOT NULL, row INTEGER NOT NULL, category INTEGER NOT NULL,
    score REAL NOT NULL, predicted_iou REAL NOT NULL, segmentation TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class PlacedResult:
    """A prediction whose image and category are known by the ids of whoever placed it."""

    image: int
    row: int
    category: int
    score: float
    predicted_iou: float
    segmentation: Any


class ResultsByImage:
    """Results in a temporary file, given back image by image. Use as a context manager."""

    def __init__(self, *, folder: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="results-", dir=folder)
        self._rows = sqlite3.connect(Path(self._folder.name) / "results.sqlite")
        self._rows.executescript(_LAYOUT)

    def add(self, results: Iterable[PlacedResult]) -> None:
        """Take in results, in the memory of some of them."""
        for batch in in_batches(map(_packed, results), ROWS_AT_ONCE):
            self._rows.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)", batch)

    def finish(self) -> None:
        """To be called once, after the last `add`."""
        self._rows.execute("CREATE INDEX result_of_image ON result (image)")

    def __len__(self) -> int:
        """Number of results."""
        return int(self._rows.execute("SELECT count(*) FROM result").fetchone()[0])

    def within(self, first: int, last: int) -> Iterator[tuple[int, list[PlacedResult]]]:
        """Images with ids from `first` to `last`, ascending, each with its results in the file's order."""
        rows = self._rows.execute(
            "SELECT * FROM result WHERE image BETWEEN ? AND ? ORDER BY image, row", (first, last)
        )
        for image, of_image in groupby(map(_unpacked, rows), key=attrgetter("image")):
            yield image, list(of_image)

    def close(self) -> None:
        """Remove the temporary file."""
        self._rows.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _packed(result: PlacedResult) -> tuple[int, int, int, float, float, str]:
    segmentation = json.dumps(result.segmentation, separators=(",", ":"))
    return result.image, result.row, result.category, result.score, result.predicted_iou, segmentation


def _unpacked(row: tuple[int, int, int, float, float, str]) -> PlacedResult:
    image, number, category, score, predicted_iou, segmentation = row
    return PlacedResult(image, number, category, score, predicted_iou, json.loads(segmentation))
