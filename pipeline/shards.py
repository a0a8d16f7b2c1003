"""Predictions of a run of images in one file, sorted by category: a category is a slice of each array.

The file is an uncompressed npz. Because nothing is compressed, a reader finds every array at a known
offset and reads the rows it wants: clustering one category of a million images touches only its rows.

===================  ===================  ======================================================
array                shape, dtype         what
===================  ===================  ======================================================
``version``          () int32             of this format
``category_ids``     (c,) int32           COCO ids, ascending
``category_starts``  (c + 1,) int64       rows of category j: [starts[j], starts[j + 1])
``images``           (k,) int64           the image of each mask
``boxes``            (k, 4) float32       x, y, width, height in pixels
``class_scores``     (k,) float32         in [0, 1]
``predicted_ious``   (k,) float32         in [0, 1]
``sizes``            (k, 2) int32         height, width of the image
``counts``           (b,) uint8           COCO's compressed run lengths, one mask after the other
``count_starts``     (k + 1,) int64       bytes of mask i: [starts[i], starts[i + 1])
``feature.<kind>``   (k, d) float16       one array per feature kind
===================  ===================  ======================================================
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.predictions import Predictions, Rle

VERSION = 1
FEATURE_PREFIX = "feature."


class UnreadableShard(ValueError):
    """A file that is no complete shard of this version."""


def write_shard(file: IO[bytes], predictions: Mapping[int, Predictions]) -> int:
    """Write the predictions of some images, keyed by image id, and return how many masks they are.

    The bytes depend on the predictions alone: the same ones give the same file.

    Raises
    ------
    ValueError
        When the images' predictions hold different feature kinds.
    """
    filled = {image: found for image, found in predictions.items() if len(found)}
    merged = Predictions.concatenate(filled.values()) if filled else _nothing()
    images = np.repeat(np.array(list(filled), np.int64), [len(found) for found in filled.values()])
    by_category = np.argsort(merged.categories, kind="stable")
    np.savez(file, **_arrays(images[by_category], merged.take(by_category)))  # type: ignore[arg-type]
    return len(merged)


def _nothing() -> Predictions:
    empty = np.zeros(0, np.float32)
    return Predictions(np.zeros(0, np.int32), np.zeros((0, 4), np.float32), empty, empty, [])


def _arrays(images: NDArray[np.int64], rows: Predictions) -> dict[str, NDArray[Any]]:
    category_ids, first = np.unique(rows.categories, return_index=True)
    lengths = np.array([len(mask["counts"]) for mask in rows.masks], np.int64)
    return {
        "version": np.array(VERSION, np.int32),
        "category_ids": category_ids.astype(np.int32),
        "category_starts": np.append(first, len(rows)).astype(np.int64),
        "images": images,
        "boxes": rows.boxes.astype(np.float32),
        "class_scores": rows.class_scores.astype(np.float32),
        "predicted_ious": rows.predicted_ious.astype(np.float32),
        "sizes": np.array([mask["size"] for mask in rows.masks], np.int32).reshape(-1, 2),
        "counts": np.frombuffer(b"".join(mask["counts"] for mask in rows.masks), np.uint8),
        "count_starts": np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        **{
            FEATURE_PREFIX + kind: values.astype(np.float16) for kind, values in sorted(rows.features.items())
        },
    }


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where an array's first byte is, and what the bytes mean."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return int(self.dtype.itemsize * np.prod(self.shape[1:], dtype=np.int64))


class ShardReader:
    """Reads rows of a shard from any seekable binary file, without loading the rest.

    Raises
    ------
    UnreadableShard
        When the file is truncated, no shard, or of another version.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        try:
            with ZipFile(file) as archive:
                members = archive.infolist()
            self._stored = {info.filename.removesuffix(".npy"): self._locate(info) for info in members}
            version = int(self._read("version", slice(0, 1))[0])
        except (BadZipFile, KeyError, ValueError, struct.error, EOFError) as error:
            raise UnreadableShard(
                f"{self.name} is no complete shard ({error}): detect its images again."
            ) from error
        if version != VERSION:
            raise UnreadableShard(
                f"{self.name} is a shard of version {version}, this release reads {VERSION}."
            )
        self.category_ids: NDArray[np.int32] = self.column("category_ids")
        self._starts = self.column("category_starts")

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return str(getattr(self._file, "name", "the file"))

    @property
    def size(self) -> int:
        """How many masks the shard holds."""
        return self._stored["images"].shape[0]

    @property
    def feature_kinds(self) -> list[str]:
        """The kinds of feature vectors that its masks have."""
        return sorted(k.removeprefix(FEATURE_PREFIX) for k in self._stored if k.startswith(FEATURE_PREFIX))

    def rows(self, category: int) -> slice:
        """The rows of a category (a COCO id); empty where it has none."""
        found = np.flatnonzero(self.category_ids == category)
        if not len(found):
            return slice(0, 0)
        return slice(int(self._starts[found[0]]), int(self._starts[found[0] + 1]))

    def column(self, name: str, rows: slice | None = None) -> NDArray[Any]:
        """Some rows (default: all) of an array of the table above."""
        try:
            return self._read(name, rows or slice(0, None))
        except ValueError as error:
            raise UnreadableShard(f"{self.name} ends within '{name}': detect its images again.") from error

    def features(self, kind: str, rows: slice | None = None) -> NDArray[np.float16]:
        """(m, d) feature vectors of one kind."""
        return self.column(FEATURE_PREFIX + kind, rows)

    def counts(self, rows: slice | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The run lengths of m masks as one run of bytes, and the (m + 1,) offsets of the masks within it."""
        first, last, _ = (rows or slice(0, None)).indices(self.size)
        starts = self.column("count_starts", slice(first, last + 1))
        return self.column("counts", slice(int(starts[0]), int(starts[-1]))), starts - starts[0]

    def predictions(self, rows: slice | None = None, *, kinds: Collection[str] | None = None) -> Predictions:
        """The masks of some rows as `Predictions`, with the features of `kinds` (default: all)."""
        first, last, _ = (rows or slice(0, None)).indices(self.size)
        wanted = slice(first, last)
        counts, starts = self.counts(wanted)
        packed, sizes = counts.tobytes(), self.column("sizes", wanted).tolist()
        spans = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        return Predictions(
            categories=np.repeat(self.category_ids, np.diff(self._starts))[wanted],
            boxes=self.column("boxes", wanted),
            class_scores=self.column("class_scores", wanted),
            predicted_ious=self.column("predicted_ious", wanted),
            masks=[Rle(size=size, counts=packed[a:b]) for size, (a, b) in zip(sizes, spans, strict=True)],
            features={kind: self.features(kind, wanted) for kind in self._wanted(kinds)},
        )

    def _wanted(self, kinds: Collection[str] | None) -> Iterable[str]:
        return self.feature_kinds if kinds is None else sorted(kinds)

    def _locate(self, info: ZipInfo) -> _Stored:
        if info.compress_type:
            raise BadZipFile(f"{info.filename} is compressed")
        self._file.seek(info.header_offset + 26)
        name_bytes, extra_bytes = struct.unpack("<HH", self._file.read(4))
        self._file.seek(info.header_offset + 30 + name_bytes + extra_bytes)
        major, _ = np.lib.format.read_magic(self._file)
        read_header = (
            np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(self._file)
        return _Stored(offset=self._file.tell(), shape=shape or (1,), dtype=dtype)

    def _read(self, name: str, rows: slice) -> NDArray[Any]:
        stored = self._stored[name]
        first, last, _ = rows.indices(stored.shape[0])
        count = max(last - first, 0)
        self._file.seek(stored.offset + first * stored.row_bytes)
        data = self._file.read(count * stored.row_bytes)
        return np.frombuffer(data, stored.dtype).reshape(count, *stored.shape[1:])
