"""Features and scores of masks -> merges of their cluster tree (Sec. 4, Clustering)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.linkage_exact import exact_linkage
from pipeline.linkage_methods import METHODS
from pipeline.linkage_points import frame_of

_PIECE = 4096


class InvalidFeatures(ValueError):
    """The feature vectors or scores cannot be clustered as they are."""


class UnknownLinkage(ValueError):
    """No linkage has this name."""


def linkage(
    features: NDArray[np.floating],
    scores: NDArray[np.floating] | None = None,
    *,
    method: str = "complete",
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Merge n masks into one binary tree.

    Parameters
    ----------
    features : (n, d) float16, float32 or float64
    scores : (n,) or None
        With scores the distance is the paper's "attention + score": d = F / σ_F + |s_i − s_j| / σ_S,
        F Euclidean, each σ the standard deviation over pairs (of a sample of them when there are
        many, drawn with `seed`). Ward needs squared Euclidean distances and takes
        d² = F² / σ_F² + (s_i − s_j)² / σ_S² instead. Without scores d = F.
    method : one of `METHODS`
    threads : by itself the cores this process may use, or OMP_NUM_THREADS if that is less

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
    """
    _check(features, scores, method)
    frame = frame_of(features, scores, method=method, seed=seed)
    return exact_linkage(frame, features, scores, method=method, threads=threads)


def _check(features: NDArray[np.floating], scores: NDArray[np.floating] | None, method: str) -> None:
    if method not in METHODS:
        raise UnknownLinkage(f"No linkage is called {method!r}; choose one of {', '.join(METHODS)}.")
    if features.ndim != 2 or 0 in features.shape:
        raise InvalidFeatures(f"Features must have shape (n, d) with n, d >= 1, not {features.shape}.")
    pieces = [features[start : start + _PIECE] for start in range(0, len(features), _PIECE)]
    _refuse_unfit_rows(np.concatenate([np.isfinite(piece).all(axis=1) for piece in pieces]), "features")
    if scores is None:
        return
    if scores.shape != (len(features),):
        raise InvalidFeatures(f"{len(features)} feature vectors need as many scores, not {scores.shape}.")
    _refuse_unfit_rows(np.isfinite(scores), "scores")


def _refuse_unfit_rows(fit: NDArray[np.bool_], what: str) -> None:
    if fit.all():
        return
    rows = np.flatnonzero(~fit)
    shown = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
    raise InvalidFeatures(f"{len(rows)} rows of the {what} hold NaN or infinity: {shown}. Leave them out.")


def _distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, d) -> (n, n) Euclidean distances by one matrix product."""
    centred = points - points.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    distances = squares[:, None] + squares - 2.0 * (centred @ centred.T)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(np.sqrt(np.maximum(distances, 0.0)))
