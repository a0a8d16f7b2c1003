"""Trees of any number of masks: exact within blocks of near ones, one linkage of the blocks above.

Memory holds a bucket per thread and, at the end, the merges. Every bucket is a piece of work of its
own, for this process (`cluster_bucket`) or any other that sees the folder (`cluster_if_pending`);
`linkage_of_partition` puts the pieces together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.distances import Points
from pipeline.linkage.exact import point_merges
from pipeline.linkage.files import write_arrays
from pipeline.linkage.kmeans import blocks
from pipeline.linkage.merges import numbered
from pipeline.linkage.methods import COMPLETE, METHODS
from pipeline.linkage.partition import BLOCK, Partition, open_partition, partition
from pipeline.linkage.points import coordinates, distinct
from pipeline.linkage.threads import Crew
from pipeline.progress import Progress, silent
from pipeline.rows import Rows

Share = Callable[[Path, Sequence[int]], None]
"""Is told the folder of a partition and the buckets to be done: whoever hears of it may do some."""


def with_nobody(_folder: Path, _buckets: Sequence[int]) -> None:
    """A `Share` that leaves all buckets to the process that asks for the tree."""


class BucketMissing(FileNotFoundError):
    """A bucket of the partition has not been clustered yet."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Merges of some rows, in the order that sides come before their union, and the blocks they end in.

    Attributes
    ----------
    first, second : row numbers; heights in the caller's terms
    blocks : (b,) a row of each block; vectors, gaps, sizes : their centres, as points
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    heights: NDArray[np.float64]
    blocks: NDArray[np.int64]
    vectors: NDArray[np.float32]
    gaps: NDArray[np.float32]
    sizes: NDArray[np.float32]


def partitioned_linkage(
    features: Rows,
    scores: NDArray[np.floating] | None,
    *,
    method: str,
    seed: int,
    folder: Path | None = None,
    block: int = BLOCK,
    threads: int | None = None,
    share: Share = with_nobody,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """`pipeline.linkage.linkage` in pieces, by way of a folder (a temporary one if none is given).

    Started again with the same folder and arguments, it goes on where it was stopped. It begins with the
    buckets of most masks and offers them to `share` from the other end, so that a bucket is done twice at
    most where the two meet.
    """
    if folder is None:
        with TemporaryDirectory(prefix="linkage-") as temporary:
            return partitioned_linkage(
                features, scores, method=method, seed=seed, folder=Path(temporary), block=block,
                threads=threads, share=share, progress=progress,
            )  # fmt: skip
    found = partition(
        features, scores, folder=folder, method=method, seed=seed, block=block, threads=threads,
        progress=progress,
    )  # fmt: skip
    pending = found.pending
    done, lock = [found.n - sum(int(found.counts[bucket]) for bucket in pending)], threading.Lock()
    share(folder, pending[::-1])

    def work(bucket: int, _: int) -> None:
        if not found.tree(bucket).exists():
            cluster_bucket(found, bucket)
        with lock:
            done[0] += int(found.counts[bucket])
            progress(done[0], found.n, "Clustering buckets")

    with Crew(threads) as crew:
        crew.run(work, pending)
        return linkage_of_partition(found, crew=crew)


def cluster_bucket(found: Partition, bucket: int) -> None:
    """Cluster the blocks of one bucket and write its merges; done again it writes the same.

    All it needs is in the folder, so that it may be done on any machine that sees it.
    """
    rows, points = found.load(bucket)
    rng = np.random.default_rng([found.seed, bucket])
    part = _clustered(points, rows, found, rng)
    write_arrays(found.tree(bucket), **{name: getattr(part, name) for name in _Part.__slots__})


def cluster_if_pending(folder: Path, bucket: int) -> bool:
    """Cluster a bucket of somebody else's partition; False where it was done by then, or all is over.

    Who asked for the tree may have put it together meanwhile and cleared the folder away.
    """
    try:
        found = open_partition(folder)
        if found.tree(bucket).exists():
            return False
        cluster_bucket(found, bucket)
    except FileNotFoundError:
        if (folder / "partition.npz").exists():
            raise
        return False
    return True


def _clustered(points: Points, rows: NDArray[np.int64], found: Partition, rng: np.random.Generator) -> _Part:
    """Blocks of the points, an exact tree in each."""
    alone = distinct(points)
    own = rows[alone.rows]
    merges = [(rows[alone.copies[:, 0]], rows[alone.copies[:, 1]], np.zeros(len(alone.copies)))]
    parts = blocks(coordinates(alone.points), found.block, rng) if len(own) else []
    with Crew(1) as crew:
        for part in parts:
            a, b, distances = point_merges(alone.points.taken(part), method=METHODS[found.method], crew=crew)
            merges.append((own[part[a]], own[part[b]], found.frame.heights(distances)))
    centres = [_centre(alone.points.taken(part)) for part in parts]
    width = points.vectors.shape[1]
    first, second, heights = (np.concatenate(column) for column in zip(*merges, strict=True))
    return _Part(
        first=first,
        second=second,
        heights=heights,
        blocks=np.array([own[part[0]] for part in parts], np.int64),
        vectors=np.array([vector for vector, _, _ in centres], np.float32).reshape(-1, width),
        gaps=np.array([gap for _, gap, _ in centres], np.float32),
        sizes=np.array([size for _, _, size in centres], np.float32),
    )


def _centre(points: Points) -> tuple[NDArray[np.float64], float, float]:
    """Mean vector and gap by masks, and the number of masks."""
    total = float(points.sizes.sum())
    weights = points.sizes.astype(np.float64) / total
    return weights @ points.vectors, float(weights @ points.gaps), total


def linkage_of_partition(found: Partition, *, crew: Crew) -> NDArray[np.float64]:
    """(n - 1, 4) merges of all masks: those of the buckets, and of the centres of their blocks above.

    Ward and average linkage count a block as often as it holds masks. Heights above the blocks are
    those of their centres, raised where a block is already higher.

    Raises
    ------
    BucketMissing
        When not all buckets were clustered.
    """
    if found.pending:
        raise BucketMissing(f"Buckets {found.pending} are not clustered yet: cluster them first.")
    parts = [_read(found.tree(bucket)) for bucket in sorted(found.filled)]
    return _joined(parts, found, crew)


def _joined(parts: list[_Part], found: Partition, crew: Crew) -> NDArray[np.float64]:
    def gather(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    method, rows = METHODS[found.method], gather("blocks")
    sizes = np.ones(len(rows), np.float32) if method == COMPLETE else gather("sizes")
    top = distinct(Points(gather("vectors"), gather("gaps"), sizes, found.frame.rooted))
    first, second, distances = point_merges(top.points, method=method, crew=crew)
    return numbered(
        np.concatenate([gather("first"), rows[top.copies[:, 0]], rows[top.rows[first]]]),
        np.concatenate([gather("second"), rows[top.copies[:, 1]], rows[top.rows[second]]]),
        np.concatenate([gather("heights"), np.zeros(len(top.copies)), found.frame.heights(distances)]),
        found.n,
    )


def _read(path: Path) -> _Part:
    with np.load(path) as held:
        return _Part(**{name: held[name] for name in _Part.__slots__})
