"""Simulated masks: triplets (f, s, IoU) of any number, drawn from what real predictions look like (Sec. 5.2).

Per class, a Gaussian mixture of the joint vector of feature, score and IoU is fitted on real predictions with
ground truth. Features are first reduced to their principal components, as many as the class has data for;
scores and IoUs enter as normal scores of their ranks and leave by the real quantiles. So their distributions
stay the real ones (many IoUs are near 0, which no few Gaussians say) and the mixture models the dependence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float32]

DIMENSIONS = 8
MOST_COMPONENTS = 12
MASKS_PER_COMPONENT_AND_DIMENSION = 2
MASKS_PER_DIMENSION = 8
"""A class of fewer masks a dimension is fitted in fewer dimensions."""
FEWEST_MASKS = 20
"""Classes with fewer masks are left out: nothing could be fitted on them."""
REGULARISATION = 1e-2
QUANTILES = 257


SHIPPED = Path(__file__).with_name("coco480.npz")
"""Fitted by `python -m pipeline.experiments fit` on what a pretrained network predicts on 478 COCO photos."""


class TooFewMasks(ValueError):
    """No class has enough masks to be fitted."""


@dataclass(frozen=True, slots=True)
class Triplets:
    """n simulated masks of one class.

    Attributes
    ----------
    features : (n, d) float32
    scores, ious : (n,) float32 in [0, 1]
    """

    features: Floats
    scores: Floats
    ious: Floats


@dataclass(frozen=True, slots=True)
class ClassModel:
    """The mixture of one class in d + 2 dimensions: features, normal scores of score and IoU.

    Attributes
    ----------
    category : COCO category id
    share : this class's share of all masks
    weights : (k,) float64, means : (k, d + 2), factors : (k, d + 2, d + 2) lower Cholesky factors
    scores, ious : (q,) float32 real values at equally spaced quantiles, 0 and 1 included
    """

    category: int
    share: float
    weights: NDArray[np.float64]
    means: Floats
    factors: Floats
    scores: Floats
    ious: Floats

    def sample(self, n: int, rng: np.random.Generator) -> Triplets:
        """`n` masks in random order."""
        features = np.empty((n, self.means.shape[1] - 2), dtype=np.float32)
        scores, ious = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
        for start in range(0, n, _PIECE):
            piece = slice(start, min(n, start + _PIECE))
            drawn = self._drawn(piece.stop - start, rng)
            features[piece] = drawn[:, :-2]
            scores[piece] = _at_quantiles(drawn[:, -2], self.scores)
            ious[piece] = _at_quantiles(drawn[:, -1], self.ious)
        return Triplets(features, scores, ious)

    def _drawn(self, n: int, rng: np.random.Generator) -> Floats:
        """(n, d + 2) of the mixture, in random order."""
        counts = rng.multinomial(n, self.weights)
        drawn = rng.standard_normal((n, self.means.shape[1]), dtype=np.float32)
        start = 0
        for count, mean, factor in zip(counts, self.means, self.factors, strict=True):
            drawn[start : start + count] = drawn[start : start + count] @ factor.T + mean
            start += count
        return drawn[rng.permutation(n)]


_PIECE = 1_000_000
"""So many masks of a class are drawn at a time, to bound the memory taken besides the masks themselves."""
_ARRAYS = ("weights", "means", "factors", "scores", "ious")


def _at_quantiles(normal: Floats, values: Floats) -> Floats:
    """Standard normal numbers -> the values of equal rank."""
    return np.interp(ndtr(normal), np.linspace(0, 1, len(values)), values).astype(np.float32)


@dataclass(frozen=True, slots=True)
class TripletModel:
    """Mixtures of all classes; `classes` in the order of their category ids."""

    classes: tuple[ClassModel, ...]

    def skewed(self, classes: int, *, skew: float = 1.0) -> TripletModel:
        """A model of any number of classes whose shares fall as rank ** -skew, as those of large datasets do.

        The r-th has the mixture of the r-th most frequent class here; after the last they begin again.
        """
        frequent = sorted(self.classes, key=lambda one: -one.share)
        weights = np.arange(1, classes + 1, dtype=np.float64) ** -skew
        return TripletModel(
            tuple(
                replace(frequent[rank % len(frequent)], category=rank + 1, share=float(share))
                for rank, share in enumerate(weights / weights.sum())
            )
        )

    def sizes(self, n: int) -> list[int]:
        """How many of `n` masks each class has, by the shares it had among the fitted predictions."""
        ends = np.rint(np.cumsum([one.share for one in self.classes]) * n).astype(int)
        return [int(size) for size in np.diff(ends, prepend=0)]

    def sample(self, n: int, *, seed: int) -> Iterator[Triplets]:
        """`n` masks in all, class by class, so that only one class is in memory."""
        for index, (one, size) in enumerate(zip(self.classes, self.sizes(n), strict=True)):
            yield one.sample(size, np.random.default_rng([seed, index]))

    def save(self, path: Path) -> None:
        """Write one .npz file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "categories": np.array([one.category for one in self.classes]),
            "shares": np.array([one.share for one in self.classes]),
        }
        for one in self.classes:
            for name in _ARRAYS:
                arrays[f"{name}_{one.category}"] = getattr(one, name)
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> TripletModel:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                tuple(
                    ClassModel(int(category), float(share), *(stored[f"{n}_{category}"] for n in _ARRAYS))
                    for category, share in zip(stored["categories"], stored["shares"], strict=True)
                )
            )


def fit(
    features: NDArray[np.floating],
    scores: NDArray[np.floating],
    ious: NDArray[np.floating],
    categories: NDArray[np.integer],
    *,
    dimensions: int = DIMENSIONS,
    seed: int = 0,
) -> TripletModel:
    """Fit a mixture per class on n real predictions.

    Parameters
    ----------
    features : (n, D)
    scores, ious : (n,)
    categories : (n,) COCO category ids

    Raises
    ------
    TooFewMasks
        When no class has at least `FEWEST_MASKS`.
    """
    found, counts = np.unique(categories, return_counts=True)
    kept = found[counts >= FEWEST_MASKS]
    if not len(kept):
        raise TooFewMasks(f"No class has {FEWEST_MASKS} masks; the largest has {counts.max(initial=0)}.")
    total = np.isin(categories, kept).sum()
    classes = []
    for category in kept:
        rows = np.flatnonzero(categories == category)
        kept_dimensions = min(dimensions, max(2, len(rows) // MASKS_PER_DIMENSION))
        reduced = principal_components(features[rows], kept_dimensions)
        classes.append(_fitted(int(category), len(rows) / total, reduced, scores[rows], ious[rows], seed))
    return TripletModel(tuple(classes))


def principal_components(features: NDArray[np.floating], dimensions: int) -> NDArray[np.float64]:
    """(n, D) -> (n, d) coordinates along the directions of largest variance, in units of the first one's."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates = left[:, :dimensions] * singular[:dimensions]
    return np.asarray(coordinates / max(coordinates[:, 0].std(), 1e-12))


def _normal_scores(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Standard normal quantiles of the ranks; equal values are ranked at random."""
    ranks = np.empty(len(values))
    ranks[np.lexsort((rng.random(len(values)), values))] = np.arange(len(values)) + 0.5
    return np.asarray(ndtri(ranks / len(values)))


def _fitted(
    category: int,
    share: float,
    features: NDArray[np.float64],
    scores: NDArray[np.floating],
    ious: NDArray[np.floating],
    seed: int,
) -> ClassModel:
    """The mixture of full covariances with the lowest Akaike information criterion.

    Chosen among 4, 8 and 16 dimensions, full and diagonal covariances, Akaike's and Bayes' criterion, with
    and without normal scores: simulated trees of the real size then come closest to the real trees.
    """
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng([seed, category])
    joint = np.column_stack([features, _normal_scores(scores, rng), _normal_scores(ious, rng)])
    most = len(joint) // (MASKS_PER_COMPONENT_AND_DIMENSION * joint.shape[1])
    mixtures = [
        GaussianMixture(k, reg_covar=REGULARISATION, random_state=seed, n_init=3).fit(joint)
        for k in range(1, int(np.clip(most, 1, MOST_COMPONENTS)) + 1)
    ]
    best = min(mixtures, key=lambda mixture: float(mixture.aic(joint)))
    return ClassModel(
        category=category,
        share=share,
        weights=best.weights_,
        means=best.means_.astype(np.float32),
        factors=np.linalg.cholesky(best.covariances_).astype(np.float32),
        scores=np.quantile(scores, np.linspace(0, 1, QUANTILES)).astype(np.float32),
        ious=np.quantile(ious, np.linspace(0, 1, QUANTILES)).astype(np.float32),
    )
