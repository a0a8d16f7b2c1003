"""All predictions of one category, collected from a round's shards; what is large goes through files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.models import DetectionShard, Role, Round
from annotation_site.catalog.shards import finished_shards, read_shard
from pipeline.predictions import Rle
from pipeline.shards import ShardReader

ROWS_AT_ONCE = 8192


class FeaturesMissing(Exception):
    """The shards lack the feature vectors that the project clusters by."""


@dataclass(frozen=True, slots=True)
class CategoryRows:
    """n masks of one category, in the order of shards, images and scores.

    Attributes
    ----------
    images : (n,) int64 image ids
    boxes : (n, 4) float32 x, y, width, height in pixels
    sizes : (n, 2) int32 height and width of the image
    class_scores, predicted_ious : (n,) float32
    features : (n, d) float16, mapped from a file
    counts : (b,) uint8 run lengths of all masks, mapped from a file
    count_starts : (n + 1,) int64, bytes of mask i are [starts[i], starts[i + 1])
    """

    images: NDArray[np.int64]
    boxes: NDArray[np.float32]
    sizes: NDArray[np.int32]
    class_scores: NDArray[np.float32]
    predicted_ious: NDArray[np.float32]
    features: NDArray[np.float16]
    counts: NDArray[np.uint8]
    count_starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(n,) s = class score x predicted IoU (Sec. 4, Detection)."""
        return self.class_scores * self.predicted_ious

    def counts_of(self, rows: NDArray[np.integer]) -> list[bytes]:
        """The run lengths of some masks."""
        packed = self.counts.data  # Slices of it are cheap, those of a mapped array are not.
        starts, ends = self.count_starts[rows].tolist(), self.count_starts[rows + 1].tolist()
        return [packed[start:end].tobytes() for start, end in zip(starts, ends, strict=True)]

    def rles(self, rows: NDArray[np.integer]) -> list[Rle]:
        """Some masks."""
        found = zip(self.sizes[rows].tolist(), self.counts_of(rows), strict=True)
        return [Rle(size=size, counts=counts) for size, counts in found]

    def without(self, left_out: NDArray[np.bool_]) -> CategoryRows:
        """The other rows, their features in a file again; the same object when none is left out."""
        if not left_out.any():
            return self
        kept = np.flatnonzero(~left_out)
        lengths = np.diff(self.count_starts)
        return CategoryRows(
            images=self.images[kept],
            boxes=self.boxes[kept],
            sizes=self.sizes[kept],
            class_scores=self.class_scores[kept],
            predicted_ious=self.predicted_ious[kept],
            features=_taken(self.features, kept),
            counts=self.counts[np.repeat(~left_out, lengths)],
            count_starts=_starts(lengths[kept]),
        )


def _taken(features: NDArray[np.float16], kept: NDArray[np.int64]) -> NDArray[np.float16]:
    """Some rows, in a file that is gone with the array."""
    if not len(kept):
        return features[:0]
    shape = (len(kept), features.shape[1])
    with tempfile.TemporaryFile(prefix="maskgrove-cluster-") as file:
        taken = np.memmap(file, np.float16, "w+", shape=shape)
        for start in range(0, len(kept), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            taken[rows] = features[kept[rows]]
    return taken


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """Where in a role's shards the rows of each category are: a few numbers per shard and category."""

    shards: Sequence[DetectionShard]
    rows: Sequence[dict[int, slice]]

    @classmethod
    def of(cls, round_: Round, role: Role) -> ShardIndex:
        """The index of a round's finished shards."""
        shards = list(finished_shards(round_, role))
        return cls(shards, [_rows_by_category(shard) for shard in shards])

    def count(self, category: int) -> int:
        """How many masks a category (a COCO id) has."""
        return sum(rows.stop - rows.start for _, rows in self.parts(category))

    def parts(self, category: int) -> Iterator[tuple[DetectionShard, slice]]:
        """The shards that hold a category, and where."""
        for shard, rows in zip(self.shards, self.rows, strict=True):
            if category in rows:
                yield shard, rows[category]


def _rows_by_category(shard: DetectionShard) -> dict[int, slice]:
    with read_shard(shard) as reader:
        return {int(category): reader.rows(int(category)) for category in reader.category_ids}


@contextmanager
def gathered(index: ShardIndex, category: int, *, feature: str) -> Iterator[CategoryRows]:
    """The rows of a category for as long as the block runs.

    What is large, features and run lengths, goes through files that the system pages in and out; in memory
    stay some 50 bytes a mask.

    Raises
    ------
    FeaturesMissing
        When a shard lacks features of the wanted kind.
    """
    with tempfile.TemporaryDirectory(prefix="maskgrove-cluster-") as scratch:
        features, counts = Path(scratch, "features"), Path(scratch, "counts")
        columns: list[dict[str, NDArray[Any]]] = []
        width = 1
        with features.open("wb") as feature_file, counts.open("wb") as counts_file:
            for shard, rows in index.parts(category):
                with read_shard(shard) as reader:
                    vectors = _features(reader, feature, rows)
                    packed, starts = reader.counts(rows)
                    columns.append(_columns(reader, rows) | {"lengths": np.diff(starts)})
                width = vectors.shape[1]
                feature_file.write(vectors.tobytes())
                counts_file.write(packed.tobytes())
        merged = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
        lengths = merged.pop("lengths")
        yield CategoryRows(
            **merged,
            features=np.memmap(features, np.float16, "r", shape=(len(lengths), width)),
            counts=np.memmap(counts, np.uint8, "r"),
            count_starts=_starts(lengths),
        )


def _features(reader: ShardReader, kind: str, rows: slice) -> NDArray[np.float16]:
    if kind not in reader.feature_kinds:
        known = ", ".join(reader.feature_kinds) or "none"
        raise FeaturesMissing(
            f"{reader.name} has no {kind!r} features but {known}: set the project's feature to one of these, "
            "or detect again."
        )
    return reader.features(kind, rows)


def _columns(reader: ShardReader, rows: slice) -> dict[str, NDArray[Any]]:
    names = ("images", "boxes", "sizes", "class_scores", "predicted_ious")
    return {name: reader.column(name, rows) for name in names}


def _starts(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
