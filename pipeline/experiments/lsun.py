"""The rival of Fig. 8: LSUN's loop of asking, training a classifier and labelling what it is sure of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.experiments.courses import Course
from pipeline.experiments.worlds import FeaturesMissing, World

BATCH = 4_000
TRAINED = 0.8
MISSED = 0.01
PRECISION = 0.95
ROUNDS = 12


def lsun(world: World, *, k_iou: float, rng: np.random.Generator) -> Course:
    """Per class: ask about a batch, train a linear SVM on 80 % of all answers, set thresholds on the rest.

    Below the low threshold 1 % of the known correct masks fall; above the high one 95 % are correct. What
    lies outside is labelled, the rest is ambiguous and goes on to the next round; what is left after the last
    round stays unlabelled. A batch is 4,000 masks, or a tenth of a smaller class.

    Raises
    ------
    FeaturesMissing
        When the world was grown without keeping the feature vectors, which the classifier needs.
    """
    if not world.features:
        raise FeaturesMissing("LSUN classifies feature vectors: grow the world with keep_features=True.")
    steps = [
        step
        for features, ious in zip(world.features, world.ious, strict=True)
        for step in _of_class(features, ious, k_iou, rng)
    ]
    asked, masks, iou = np.cumsum(np.array(steps), axis=0).T
    return {
        "questions": asked.tolist(),
        "accepted": masks.tolist(),
        "quality": (iou / np.maximum(masks, 1)).tolist(),
    }


def _of_class(
    features: NDArray[np.float32], ious: NDArray[np.float32], k_iou: float, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    """(questions, masks labelled correct, sum of their IoUs) that each round adds."""
    correct = ious >= k_iou
    batch = min(BATCH, max(len(ious) // 10, 1))
    ambiguous = rng.permutation(len(ious))
    asked = np.empty(0, dtype=np.int64)
    steps = []
    for _ in range(ROUNDS):
        if not len(ambiguous):
            break
        drawn, ambiguous = ambiguous[:batch], ambiguous[batch:]
        asked = np.concatenate([asked, drawn])
        accepted = drawn[correct[drawn]]
        sure = _sure(features, correct, asked, ambiguous, rng)
        accepted = np.concatenate([accepted, ambiguous[sure > 0]])
        ambiguous = rng.permutation(ambiguous[sure == 0])
        steps.append((len(drawn), len(accepted), float(ious[accepted].sum())))
    return steps


def _sure(
    features: NDArray[np.float32],
    correct: NDArray[np.bool_],
    asked: NDArray[np.int64],
    unlabelled: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """For each unlabelled mask 1 (surely correct), -1 (surely wrong) or 0 (ambiguous)."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    shuffled = rng.permutation(asked)
    train, rest = np.split(shuffled, [int(TRAINED * len(shuffled))])
    few = min(np.bincount(correct[train], minlength=2))
    if few < 3 or not correct[rest].any() or not len(unlabelled):
        return np.zeros(len(unlabelled), dtype=np.int8)
    seed = int(rng.integers(2**31))
    model = CalibratedClassifierCV(LinearSVC(random_state=seed), cv=3).fit(features[train], correct[train])
    low, high = _bounds(model.predict_proba(features[rest])[:, 1], correct[rest])
    chance = model.predict_proba(features[unlabelled])[:, 1]
    return np.where(chance >= high, 1, np.where(chance < low, -1, 0)).astype(np.int8)


def _bounds(chances: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[float, float]:
    """The low and the high threshold, from masks that the classifier has not seen."""
    low = float(np.quantile(chances[correct], MISSED))
    order = np.argsort(-chances, kind="stable")
    precision = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    pure = np.flatnonzero(precision >= PRECISION)
    high = float(chances[order[pure[-1]]]) if len(pure) else np.inf
    return low, high
