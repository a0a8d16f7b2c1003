"""Features and scores of masks -> merges of their cluster tree (Sec. 4, Clustering)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage.exact import exact_linkage
from pipeline.linkage.memory import WAITING, exact_limit, turn
from pipeline.linkage.methods import METHODS
from pipeline.linkage.partition import OtherPartition
from pipeline.linkage.partitioned import Share, partitioned_linkage, with_nobody
from pipeline.linkage.points import InvalidFeatures, frame_of, refuse_unfit
from pipeline.progress import Progress, silent
from pipeline.rows import Rows

__all__ = [
    "METHODS",
    "WAITING",
    "InvalidFeatures",
    "OtherPartition",
    "Share",
    "UnknownLinkage",
    "linkage",
    "with_nobody",
]

_PIECE = 4096


class UnknownLinkage(ValueError):
    """No linkage has this name."""


def linkage(
    features: Rows,
    scores: NDArray[np.floating] | None = None,
    *,
    method: str = "complete",
    seed: int = 0,
    threads: int | None = None,
    exact_up_to: int | None = None,
    folder: Path | None = None,
    share: Share = with_nobody,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """Merge n masks into one binary tree: exactly, or in blocks when they are too many for that.

    Parameters
    ----------
    features : (n, d) float16, float32 or float64; an array, or anything that is sliced like one
    scores : (n,) or None
        With scores the distance is the paper's "attention + score": d = F / σ_F + |s_i − s_j| / σ_S,
        F Euclidean, each σ the standard deviation over pairs (of a sample of them when there are
        many, drawn with `seed`). Ward needs squared Euclidean distances and takes
        d² = F² / σ_F² + (s_i − s_j)² / σ_S² instead. Without scores d = F.
    method : one of `METHODS`
    threads : by itself the cores this process may use, or OMP_NUM_THREADS if that is less
    exact_up_to : by itself the n whose distances (2 n² bytes) fit the memory that is there
    folder : where a tree in blocks keeps its pieces, to go on with them when started again
    share : is told of the pieces of a tree in blocks, so that others may do some of them
    progress : is told of the masks done, for a tree in blocks

    Returns
    -------
    (n - 1, 4) float64
        Rows [node, node, height, size] as in scipy, heights not falling; (0, 4) for one mask.

    Raises
    ------
    InvalidFeatures
        When shapes do not fit, there is no row, or a row holds NaN or infinity (says which).
    UnknownLinkage
        When `method` is none of `METHODS`.
    OtherPartition
        When `folder` holds the pieces of other masks, or of a tree made otherwise.
    """
    if method not in METHODS:
        raise UnknownLinkage(f"No linkage is called {method!r}; choose one of {', '.join(METHODS)}.")
    _check_shapes(features, scores)
    n, dimensions = features.shape
    with turn(n, lambda: progress(0, n, WAITING)) as waited:
        if n <= (exact_limit(dimensions=dimensions) if exact_up_to is None else exact_up_to):
            if waited:
                progress(0, n, "Its turn has come")
            return _exact(features[0:n], scores, method=method, seed=seed, threads=threads)
    return partitioned_linkage(
        features, scores, method=method, seed=seed, folder=folder, threads=threads, share=share,
        progress=progress,
    )  # fmt: skip


def _exact(
    held: NDArray[np.floating],
    scores: NDArray[np.floating] | None,
    *,
    method: str,
    seed: int,
    threads: int | None,
) -> NDArray[np.float64]:
    for start in range(0, len(held), _PIECE):
        fit = np.isfinite(held[start : start + _PIECE]).all(axis=1)
        if not fit.all():
            refuse_unfit(np.isfinite(held).all(axis=1))
    frame = frame_of(held, scores, method=method, seed=seed)
    return exact_linkage(frame, held, scores, method=method, threads=threads)


def _check_shapes(features: Rows, scores: NDArray[np.floating] | None) -> None:
    if len(features.shape) != 2 or 0 in features.shape:
        raise InvalidFeatures(f"Features must have shape (n, d) with n, d >= 1, not {features.shape}.")
    if scores is None:
        return
    if scores.shape != features.shape[:1]:
        raise InvalidFeatures(f"{features.shape[0]} feature vectors need as many scores, not {scores.shape}.")
    refuse_unfit(np.isfinite(scores), what="scores")
