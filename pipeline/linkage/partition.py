"""Masks that are too many for one exact tree, sorted into buckets that are worked on one by one.

A partition is a folder. One pass over the features fills it; then each bucket is a piece of work of
its own, on any machine that sees the folder, and may be repeated.

=====================  ============================================================================
file                   what
=====================  ============================================================================
``partition.npz``      parameters, frame and bucket sizes; written last: where it is, the pass is done
``rows/K``             int64 row numbers of bucket K, in any order
``scores/K``           their scores, float64, in the same order; no such files without scores
``features/K``         their feature vectors, in the same order, as in the source
``trees/K-DIGEST.npz`` the merges found within bucket K, and what is left of it: its blocks
=====================  ============================================================================

The digest is the partition's. Somebody may still work on a bucket of one that was cleared away and made
anew of other masks: what they write then is no tree of the new one.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.buckets import Buckets, fill
from pipeline.linkage.distances import Points
from pipeline.linkage.files import write_arrays
from pipeline.linkage.points import Frame, frame_of, refuse_unfit
from pipeline.linkage.threads import Crew
from pipeline.progress import Progress, silent
from pipeline.rows import Rows

BLOCK = 2048
"""A block's tree is exact; so many masks it has at most."""

_SAMPLE = 40_000
"""Masks that centre and scales are taken from."""

_TOLD_APART_BY = ("method", "block", "seed", "shape", "sample")

_WANTED_BLOCKS, _MOST_BLOCKS = 8, 32
"""In a bucket."""


class OtherPartition(ValueError):
    """The folder holds a partition that was made of other masks or with other parameters."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A folder with n masks in buckets.

    Attributes
    ----------
    counts : (k,) int64, masks in each bucket; buckets of none have no files
    digest : by which it is told from a partition of other masks, or made otherwise
    """

    buckets: Buckets
    frame: Frame
    method: str
    block: int
    seed: int
    counts: NDArray[np.int64]
    digest: str

    @property
    def n(self) -> int:
        """Masks in all buckets."""
        return int(self.counts.sum())

    @property
    def filled(self) -> list[int]:
        """The buckets that hold any masks, those of most masks first."""
        order = np.argsort(-self.counts, kind="stable")[: np.count_nonzero(self.counts)]
        return [int(bucket) for bucket in order]

    @property
    def pending(self) -> list[int]:
        """The buckets that still lack their trees, those of most masks first."""
        return [bucket for bucket in self.filled if not self.tree(bucket).exists()]

    def tree(self, bucket: int) -> Path:
        """Where the merges of a bucket are, once they are found."""
        return self.buckets.folder / "trees" / f"{bucket}-{self.digest}.npz"

    def load(self, bucket: int) -> tuple[NDArray[np.int64], Points]:
        """Row numbers of a bucket, ascending, and its masks as points."""
        rows, scores = self.buckets.rows(bucket), self.buckets.scores(bucket)
        order = np.argsort(rows)
        features = self.buckets.features(bucket)[order]
        return rows[order], self.frame.points(features, None if scores is None else scores[order])


def partition(
    features: Rows,
    scores: NDArray[np.floating] | None,
    *,
    folder: Path,
    method: str,
    seed: int,
    block: int = BLOCK,
    threads: int | None = None,
    progress: Progress = silent,
) -> Partition:
    """Sort the masks into buckets of some blocks each, or find that `folder` has them so already.

    Raises
    ------
    OtherPartition
        When `folder` holds a partition of something else.
    InvalidFeatures
        When a row holds NaN or infinity (says which).
    """
    rng, n = np.random.default_rng(seed), features.shape[0]
    rows = np.sort(rng.choice(n, min(_SAMPLE, n), replace=False))
    sample, sample_scores = features[rows], None if scores is None else scores[rows]
    refuse_unfit(np.isfinite(sample).all(axis=1), rows)
    wanted = {"method": method, "block": block, "seed": seed, "shape": features.shape}
    wanted |= {"sample": _checksum(sample, sample_scores)}
    if not (folder / "partition.npz").exists():
        buckets = Buckets(folder, features.shape[1], features.dtype, scores is not None)
        buckets.clear()
        frame = frame_of(sample, sample_scores, method=method, seed=seed)
        with Crew(threads) as crew:
            counts = fill(
                features, scores, frame, buckets=buckets, wanted=_WANTED_BLOCKS * block,
                most=_MOST_BLOCKS * block, rng=rng, crew=crew, progress=progress,
            )  # fmt: skip
        _write(folder, frame, wanted, buckets, counts)
    _refuse_other(folder, wanted)
    return open_partition(folder)


def open_partition(folder: Path) -> Partition:
    """The partition in a folder, for one who works on its buckets."""
    with np.load(folder / "partition.npz") as held:
        unit, score_centre, score_unit, height_unit = held["units"].tolist()
        frame = Frame(
            centre=held["centre"],
            unit=unit,
            score_centre=score_centre,
            score_unit=score_unit,
            height_unit=height_unit,
            rooted=bool(held["rooted"]),
            joined=bool(held["joined"]),
        )
        return Partition(
            buckets=Buckets(folder, int(held["shape"][1]), held["dtype"].dtype, bool(held["scored"])),
            frame=frame,
            method=str(held["method"]),
            block=int(held["block"]),
            seed=int(held["seed"]),
            counts=held["counts"],
            digest=_digest_of({name: held[name] for name in _TOLD_APART_BY}),
        )


def _digest_of(held: dict[str, NDArray[Any]]) -> str:
    said = repr([(name, value.tolist()) for name, value in sorted(held.items())])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _checksum(sample: NDArray[np.floating], scores: NDArray[np.floating] | None) -> int:
    """A checksum by which other data are told apart."""
    parts = [sample] if scores is None else [sample, scores]
    return zlib.crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))


def _write(
    folder: Path, frame: Frame, wanted: dict[str, Any], buckets: Buckets, counts: NDArray[np.int64]
) -> None:
    write_arrays(
        folder / "partition.npz",
        centre=frame.centre,
        units=np.array([frame.unit, frame.score_centre, frame.score_unit, frame.height_unit]),
        rooted=np.array(frame.rooted),
        joined=np.array(frame.joined),
        dtype=np.empty(0, buckets.dtype),
        scored=np.array(buckets.scored),
        counts=counts,
        **{name: np.array(value) for name, value in wanted.items()},
    )


def _refuse_other(folder: Path, wanted: dict[str, Any]) -> None:
    with np.load(folder / "partition.npz") as held:
        other = [name for name, value in wanted.items() if not np.array_equal(held[name], np.array(value))]
    if other:
        raise OtherPartition(
            f"{folder} holds a partition with another {', '.join(other)}: "
            "take another folder, or empty this one."
        )
