"""A COCO instances file laid out on disk by image, so that any image's annotations are at hand.

The file is read once from end to end into a temporary SQLite file: memory stays that of some items however
large the file is, and the disk holds about as much again as the file.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline import coco
from pipeline.batches import in_batches
from pipeline.coco import (
    CocoAnnotation,
    CocoCategory,
    CocoError,
    CocoImage,
    ItemProblem,
    MalformedItem,
    refuse,
)
from pipeline.progress import Progress, silent

ROWS_AT_ONCE = 10_000

_LAYOUT = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE image (id INTEGER PRIMARY KEY, file_name TEXT NOT NULL, width INTEGER, height INTEGER);
CREATE TABLE annotation (
    id INTEGER, image_id INTEGER NOT NULL, category_id INTEGER NOT NULL,
    iscrowd INTEGER NOT NULL, segmentation TEXT NOT NULL
);
"""


class CocoIndex:
    """The images of a COCO file in the order of their ids, and each one's annotations.

    Use as a context manager: the temporary file is gone at its end. `with_annotations=False` leaves them out,
    where only images and categories are wanted.
    """

    def __init__(
        self,
        path: Path,
        *,
        problem: ItemProblem = refuse,
        progress: Progress = silent,
        with_annotations: bool = True,
        folder: Path | None = None,
    ) -> None:
        self.path = path
        self.categories: list[CocoCategory] = list(coco.read_categories(path, problem=problem))
        self._folder = tempfile.TemporaryDirectory(prefix="coco-", dir=folder)
        self._rows = sqlite3.connect(Path(self._folder.name) / "index.sqlite")
        try:
            self._rows.executescript(_LAYOUT)
            self._list_images(problem)
            if with_annotations:
                self._list_annotations(problem, progress)
        except BaseException:
            self.close()
            raise

    def _list_annotations(self, problem: ItemProblem, progress: Progress) -> None:
        annotations = map(_packed, coco.read_annotations(self.path, problem=problem))
        count = 0
        for batch in in_batches(annotations, ROWS_AT_ONCE):
            self._rows.executemany("INSERT INTO annotation VALUES (?, ?, ?, ?, ?)", batch)
            count += len(batch)
            progress(count, 0, f"{count:,} annotations read")
        self._rows.execute("CREATE INDEX annotation_of_image ON annotation (image_id)")

    def _list_images(self, problem: ItemProblem) -> None:
        statement = "INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?)"
        for image in coco.read_images(self.path, problem=problem):
            row = (image.id, image.file_name, image.width, image.height)
            if not self._rows.execute(statement, row).rowcount:
                problem(MalformedItem(f"{self.path}: image id {image.id} is there more than once"))
        if not len(self):
            raise CocoError(f"{self.path} lists no images; a COCO instances file has them under 'images'")

    def __len__(self) -> int:
        """Number of images."""
        return int(self._rows.execute("SELECT count(*) FROM image").fetchone()[0])

    def images(self) -> Iterator[CocoImage]:
        """All images by ascending id."""
        for row in self._rows.execute("SELECT id, file_name, width, height FROM image ORDER BY id"):
            yield CocoImage(*row)

    def file_name(self, image_id: int) -> str | None:
        """The file name of an image, None if the file does not list it."""
        row = self._rows.execute("SELECT file_name FROM image WHERE id = ?", (image_id,)).fetchone()
        return None if row is None else str(row[0])

    def annotations(self, image_id: int) -> list[CocoAnnotation]:
        """The annotations of one image in the file's order."""
        rows = self._rows.execute(
            "SELECT id, category_id, iscrowd, segmentation FROM annotation WHERE image_id = ? ORDER BY rowid",
            (image_id,),
        )
        return [
            CocoAnnotation(image_id, category_id, json.loads(segmentation), id=id_, iscrowd=bool(iscrowd))
            for id_, category_id, iscrowd, segmentation in rows
        ]

    def orphans(self) -> Iterator[tuple[int | None, int]]:
        """(annotation id, image id) of the annotations whose image the file does not list."""
        yield from self._rows.execute(
            "SELECT id, image_id FROM annotation WHERE image_id NOT IN (SELECT id FROM image) ORDER BY rowid"
        )

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


def _packed(annotation: CocoAnnotation) -> tuple[int | None, int, int, bool, str]:
    segmentation = json.dumps(annotation.segmentation, separators=(",", ":"))
    return annotation.id, annotation.image_id, annotation.category_id, annotation.iscrowd, segmentation
