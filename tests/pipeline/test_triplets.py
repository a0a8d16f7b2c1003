"""Simulated masks look like the real ones they were fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.experiments.triplets import (
    SHIPPED,
    TooFewMasks,
    TripletModel,
    fit,
    principal_components,
)


def real_masks(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two kinds of masks in each of two classes: good ones here, bad ones there; a quarter at IoU 0."""
    rng = np.random.default_rng(seed)
    good = rng.random(n) < 0.4
    features = rng.standard_normal((n, 12)) * 0.3 + np.where(good, 1.0, -1.0)[:, None] * np.eye(12)[0]
    scores = np.clip(np.where(good, 0.8, 0.4) + 0.1 * rng.standard_normal(n), 0.2, 1)
    ious = np.where(good, 0.85, 0.5) + 0.05 * rng.standard_normal(n)
    ious[rng.random(n) < 0.25] = 0
    return features, scores, np.clip(ious, 0, 1), np.arange(n) % 4 // 3


MODEL = fit(*real_masks(1_200))


def test_scores_and_ious_are_distributed_as_the_real_ones() -> None:
    _, scores, ious, classes = real_masks(1_200)
    simulated = next(iter(MODEL.sample(20_000, seed=0)))
    for drawn, real in ((simulated.scores, scores[classes == 0]), (simulated.ious, ious[classes == 0])):
        levels = np.linspace(0.05, 0.95, 10)
        assert np.quantile(drawn, levels) == pytest.approx(np.quantile(real, levels), abs=0.04)


def test_features_tell_good_from_bad_as_the_real_ones_do() -> None:
    features, _, ious, classes = real_masks(1_200)
    of_class = classes == 0
    real = principal_components(features[of_class], 2)[:, 0]
    simulated = next(iter(MODEL.sample(20_000, seed=0)))
    expected = abs(np.corrcoef(real, ious[of_class])[0, 1])
    assert abs(np.corrcoef(simulated.features[:, 0], simulated.ious)[0, 1]) == pytest.approx(
        expected, abs=0.08
    )


def test_classes_keep_their_shares_and_sizes_add_up() -> None:
    for n in (0, 1, 7, 1_000, 99_999):
        sizes = MODEL.sizes(n)
        assert sum(sizes) == n
        assert sizes[0] == pytest.approx(0.75 * n, abs=1)
        assert [len(part.scores) for part in MODEL.sample(n, seed=1)] == sizes


def test_a_seed_gives_the_same_masks_again_and_another_seed_others() -> None:
    one, again, other = (next(iter(MODEL.sample(100, seed=seed))) for seed in (1, 1, 2))
    assert (one.features == again.features).all()
    assert (one.ious == again.ious).all()
    assert not (one.ious == other.ious).all()


def test_rare_classes_get_few_dimensions_and_the_rarest_none() -> None:
    features, scores, ious, _ = real_masks(100)
    classes = np.repeat([3, 5, 9], [60, 30, 10])
    model = fit(features, scores, ious, classes)
    assert [one.category for one in model.classes] == [3, 5]
    assert [one.means.shape[1] - 2 for one in model.classes] == [7, 3]
    assert sum(one.share for one in model.classes) == pytest.approx(1)


def test_nothing_can_be_fitted_on_too_few_masks() -> None:
    features, scores, ious, _ = real_masks(30)
    with pytest.raises(TooFewMasks, match="No class has 20 masks; the largest has 15"):
        fit(features, scores, ious, np.arange(30) % 2)


def test_a_saved_model_draws_the_same_masks(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "model.npz")
    loaded = TripletModel.load(tmp_path / "model.npz")
    for one, other in zip(MODEL.sample(500, seed=3), loaded.sample(500, seed=3), strict=True):
        assert (one.features == other.features).all()
        assert (one.scores == other.scores).all()
        assert (one.ious == other.ious).all()


def test_the_shipped_model_draws_masks_like_the_predictions_it_was_fitted_on() -> None:
    parts = list(TripletModel.load(SHIPPED).sample(20_000, seed=0))
    scores, ious = (np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "ious"))
    assert len(parts) == 56
    assert 0.2 <= scores.min() <= scores.max() <= 1
    assert (ious >= 0.75).mean() == pytest.approx(0.297, abs=0.015)
    assert np.corrcoef(scores, ious)[0, 1] == pytest.approx(0.5, abs=0.05)
