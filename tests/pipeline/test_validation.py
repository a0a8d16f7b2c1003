"""Validation gives COCO's figures."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline import masks
from pipeline.detection.detector import AnnotatedImage, Detection
from pipeline.detection.validation import average_precision, match_in_order, validate
from pipeline.pictures import ImageSource
from pipeline.predictions import Predictions

SIDE = 40


def rectangle(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    x, y = rng.integers(0, 25, 2)
    mask[y : y + rng.integers(6, 15), x : x + rng.integers(6, 15)] = True
    return mask


def jittered(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(mask, rng.integers(-2, 3, 2), (0, 1))


class Remembering:
    """A predictor that says what it was told to."""

    category_ids = (1, 2)

    def __init__(self, predictions: dict[str, Predictions | None]) -> None:
        self.predictions = predictions

    def predict(self, images, *, progress=None):
        for source in images:
            found = self.predictions[source.name]
            yield Detection(source, found, "" if found is not None else "broken")


def made(seed: int, images: int = 12) -> tuple[list[AnnotatedImage], dict[str, Predictions | None]]:
    rng = np.random.default_rng(seed)
    annotated, predicted = [], {}
    for i in range(images):
        source = ImageSource(str(i), lambda: io.BytesIO())
        truth = [rectangle(rng) for _ in range(rng.integers(1, 6))]
        categories = rng.integers(1, 3, len(truth))
        crowd = rng.random(len(truth)) < 0.15
        annotated.append(
            AnnotatedImage(
                source, SIDE, SIDE, categories.astype(np.int32), [masks.encode(m) for m in truth], crowd
            )
        )
        guesses = [jittered(m, rng) for m in truth for _ in range(2)] + [rectangle(rng)]
        count = len(guesses)
        predicted[str(i)] = Predictions(
            categories=np.append(np.repeat(categories, 2), 1).astype(np.int32),
            boxes=np.zeros((count, 4), np.float32),
            class_scores=rng.random(count).astype(np.float32),
            predicted_ious=rng.random(count).astype(np.float32),
            masks=[masks.encode(m) for m in guesses],
        )
    return annotated, predicted


def coco_figures(annotated: list[AnnotatedImage], predicted: dict[str, Predictions | None]) -> list[float]:
    """AP50 and AP75 by pycocotools."""
    truth, results = [], []
    for i, image in enumerate(annotated, 1):
        for category, rle, crowd in zip(image.categories, image.masks, image.crowd, strict=True):
            truth.append(
                {"id": len(truth) + 1, "image_id": i, "category_id": int(category), "segmentation": rle,
                 "iscrowd": int(crowd), "area": float(masks.areas([rle])[0]), "bbox": [0, 0, 1, 1]}
            )  # fmt: skip
        found = predicted[image.source.name]
        for category, score, rle in zip(found.categories, found.scores, found.masks, strict=True):
            results.append(
                {"image_id": i, "category_id": int(category), "score": float(score), "segmentation": rle}
            )
    reference = COCO()
    reference.dataset = {
        "images": [{"id": i + 1, "width": SIDE, "height": SIDE} for i in range(len(annotated))],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": truth,
        "info": {},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(evaluation.stats[1]), float(evaluation.stats[2])]


@pytest.mark.parametrize("seed", range(6))
def test_average_precisions_are_those_of_pycocotools(seed: int) -> None:
    annotated, predicted = made(seed)
    found = validate(Remembering(predicted), annotated, k_iou=0.75)
    assert [found.ap50, found.ap75] == pytest.approx(coco_figures(annotated, predicted), abs=1e-9)


def test_perfect_predictions_have_an_average_precision_of_one() -> None:
    annotated, _ = made(0, 3)
    exact = {
        image.source.name: Predictions(
            image.categories, np.zeros((len(image.masks), 4), np.float32),
            np.ones(len(image.masks), np.float32), np.ones(len(image.masks), np.float32), list(image.masks),
        )
        for image in annotated
    }  # fmt: skip
    found = validate(Remembering(exact), annotated, k_iou=0.75)
    assert (found.ap50, found.ap75) == (1.0, 1.0)
    assert found.images == 3


def test_images_that_cannot_be_read_do_not_count() -> None:
    annotated, predicted = made(1, 4)
    whole = validate(Remembering(predicted), annotated, k_iou=0.75)
    broken = validate(Remembering({**predicted, "2": None}), annotated, k_iou=0.75)
    assert (whole.images, broken.images) == (4, 3)
    assert broken.objects < whole.objects


def test_nothing_predicted_is_worth_nothing() -> None:
    annotated, predicted = made(2, 2)
    nothing = {name: found.take(np.zeros(len(found), bool)) for name, found in predicted.items()}
    found = validate(Remembering(nothing), annotated, k_iou=0.75)
    assert (found.predictions, found.ap50, found.correct) == (0, 0.0, 0.0)


def test_half_of_the_objects_found_without_a_mistake_is_worth_about_half() -> None:
    assert average_precision([0.9, 0.8], [1, 1], objects=4) == pytest.approx(51 / 101)


def test_an_object_is_found_once() -> None:
    iou = np.array([[0.9], [0.95]])
    assert match_in_order(iou, np.zeros(2), threshold=0.5).tolist() == [1.0, 0.0]


def test_predictions_in_a_crowd_region_are_ignored() -> None:
    matched = match_in_order(np.array([[0.1], [0.8]]), np.array([0.9, 0.9]), threshold=0.5)
    assert np.isnan(matched[0])
    assert matched[1] == 1.0
