"""The detector without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import masks
from pipeline.detection import AnnotatedImage, FitOptions, PredictOptions
from pipeline.detection.fake import FakeDetector, Spoiling
from pipeline.predictions import Predictions

CATEGORIES = (1, 2, 3, 4, 5)


def detect(
    detector: FakeDetector, images: list[AnnotatedImage], folder: Path, *, seed: int = 0
) -> list[Predictions]:
    training = detector.fit(images, category_ids=CATEGORIES, folder=folder, options=FitOptions(seed=seed))
    predictor = detector.load(training.model, options=PredictOptions())
    found = [detection.predictions for detection in predictor.predict([image.source for image in images])]
    return [predictions for predictions in found if predictions is not None]


def best_ious(images: list[AnnotatedImage], found: list[Predictions]) -> np.ndarray:
    """The IoU of each prediction with the best object of its category."""
    rows = []
    for image, predictions in zip(images, found, strict=True):
        ious = masks.iou(predictions.masks, list(image.masks))
        same = predictions.categories[:, None] == image.categories[None, :]
        rows.append(np.where(same, ious, 0).max(axis=1, initial=0))
    return np.concatenate(rows)


def test_it_knows_the_truth_and_is_wrong_as_often_as_told(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    truth = {image.source.name: image for image in initial}
    right = FakeDetector(truth, Spoiling(good=1, missed=0, invented=0))
    wrong = FakeDetector(truth, Spoiling(good=0, missed=0, invented=0))
    assert (best_ious(initial, detect(right, initial, tmp_path)) >= 0.75).all()
    assert (best_ious(initial, detect(wrong, initial, tmp_path)) < 0.75).all()


def test_its_predicted_iou_knows_mostly_which_masks_are_right(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    truth = {image.source.name: image for image in initial}
    found = detect(FakeDetector(truth, Spoiling(good=0.5)), initial, tmp_path)
    guessed = np.concatenate([predictions.predicted_ious for predictions in found])
    assert np.corrcoef(guessed, best_ious(initial, found))[0, 1] > 0.6


def test_spoiled_masks_lie_apart_from_good_ones_in_feature_space(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    truth = {image.source.name: image for image in initial}
    found = Predictions.concatenate(detect(FakeDetector(truth, Spoiling(good=0.6)), initial, tmp_path))
    good = best_ious(initial, detect(FakeDetector(truth, Spoiling(good=0.6)), initial, tmp_path)) >= 0.75
    rows = found.features["attention"][found.categories == found.categories[0]]
    good = good[found.categories == found.categories[0]]
    centre = rows[good].mean(axis=0)
    assert (
        np.linalg.norm(rows[good] - centre, axis=1).mean()
        < np.linalg.norm(rows[~good] - centre, axis=1).mean()
    )


def test_without_the_truth_it_finds_objects_that_stand_out(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    found = detect(FakeDetector(), initial, tmp_path)
    assert sum(len(predictions) for predictions in found) >= len(initial)
    assert best_ious(initial, found).max() > 0.5


def test_another_seed_is_wrong_elsewhere(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    detector = FakeDetector({image.source.name: image for image in initial}, Spoiling(good=0.5))
    first, again = detect(detector, initial, tmp_path), detect(detector, initial, tmp_path)
    other = detect(detector, initial, tmp_path, seed=1)
    assert [p.masks for p in first] == [p.masks for p in again] != [p.masks for p in other]


def test_training_reports_an_image_at_a_time(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    done: list[int] = []
    FakeDetector().fit(
        initial,
        category_ids=CATEGORIES,
        folder=tmp_path,
        options=FitOptions(),
        progress=lambda at, total, message="": done.append(at),
    )
    assert done == list(range(len(initial) + 1))


@pytest.mark.parametrize("confidence", [0.0, 0.6])
def test_the_truth_is_never_changed(initial: list[AnnotatedImage], tmp_path: Path, confidence: float) -> None:
    before = [rle["counts"] for image in initial for rle in image.masks]
    detect(FakeDetector({image.source.name: image for image in initial}), initial, tmp_path)
    assert before == [rle["counts"] for image in initial for rle in image.masks]
