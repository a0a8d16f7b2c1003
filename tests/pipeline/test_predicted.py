"""Real predictions and their truth, read from COCO files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import masks
from pipeline.experiments.predicted import Predicted, read


class Areas:
    """Features that are the masks' areas, and a count of how often they were made."""

    name = "areas"

    def __init__(self) -> None:
        self.described = 0

    def describe(self, picture: np.ndarray, rles: list) -> np.ndarray:
        self.described += 1
        return np.array([[areas] for areas in masks.areas(rles)], dtype=np.float32)


def square(x: int, side: int) -> dict[str, object]:
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[5 : 5 + side, x : x + side] = 1
    rle = masks.encode(mask)
    return {"size": rle["size"], "counts": rle["counts"].decode()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / name)
    images = [{"id": i, "file_name": f"{n}.png", "width": 40, "height": 30} for i, n in ((1, "a"), (2, "b"))]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 3, "segmentation": square(0, 10), "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 4, "segmentation": square(20, 10), "iscrowd": 0},
        {"id": 3, "image_id": 2, "category_id": 3, "segmentation": square(0, 20), "iscrowd": 1},
    ]
    results = [
        {"image_id": 2, "category_id": 3, "segmentation": square(0, 20), "score": 0.9},
        {"image_id": 1, "category_id": 3, "segmentation": square(0, 10), "score": 0.8, "predicted_iou": 0.5},
        {"image_id": 1, "category_id": 3, "segmentation": square(20, 10), "score": 0.7},
        {"image_id": 1, "category_id": 3, "segmentation": square(5, 10), "score": 0.1},
    ]
    categories = [{"id": 3, "name": "box"}, {"id": 4, "name": "lid"}]
    (tmp_path / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    (tmp_path / "predictions.json").write_text(json.dumps(results))
    return tmp_path


def test_masks_are_judged_by_objects_of_their_own_category(folder: Path) -> None:
    predicted = read(folder, confidence=0.0, cache=folder / "cache", features=Areas())
    by_score = np.argsort(-predicted.confidences)
    assert predicted.ious[by_score].tolist() == pytest.approx([0, 1, 0, 1 / 3])
    assert predicted.scores[by_score].tolist() == pytest.approx([0.9, 0.4, 0.7, 0.1])
    assert predicted.images[by_score].tolist() == [2, 1, 1, 1]
    assert predicted.features[by_score, 0].tolist() == [400, 100, 100, 100]
    assert predicted.drawn == 2
    assert predicted.objects[by_score].tolist() == [-1, 0, -1, 0]
    assert predicted.object_categories.tolist() == [3, 4]
    assert predicted.centres[by_score[1]].tolist() == pytest.approx([5 / 40, 10 / 30])
    assert predicted.object_centres == pytest.approx(np.array([[5 / 40, 10 / 30], [25 / 40, 10 / 30]]))
    assert predicted.all_images.tolist() == [1, 2]


def test_a_part_of_the_images_keeps_its_objects(folder: Path) -> None:
    predicted = read(folder, confidence=0.0, cache=folder / "cache", features=Areas())
    first, second = predicted.on(np.array([1])), predicted.on(np.array([2]))
    assert (len(first), first.drawn, first.all_images.tolist()) == (3, 2, [1])
    assert sorted(first.objects.tolist()) == [-1, 0, 0]
    assert (len(second), second.drawn, second.objects.tolist()) == (1, 0, [-1])


def test_what_is_saved_is_loaded(folder: Path, tmp_path: Path) -> None:
    predicted = read(folder, confidence=0.0, cache=folder / "cache", features=Areas())
    predicted.save(tmp_path / "file.npz")
    again = Predicted.load(tmp_path / "file.npz")
    for name in Predicted.__slots__:
        assert getattr(again, name).tolist() == getattr(predicted, name).tolist()


def test_predictions_below_the_confidence_are_left_out(folder: Path) -> None:
    assert len(read(folder, confidence=0.2, cache=folder / "cache", features=Areas())) == 3


def test_features_are_made_once(folder: Path) -> None:
    features = Areas()
    for _ in range(2):
        read(folder, confidence=0.2, cache=folder / "cache", features=features)
    assert features.described == 2


def test_other_predictions_are_read_anew(folder: Path) -> None:
    read(folder, confidence=0.0, cache=folder / "cache", features=Areas())
    (folder / "predictions.json").write_text(
        json.dumps([{"image_id": 1, "category_id": 3, "segmentation": square(0, 10), "score": 0.8}])
    )
    assert len(read(folder, confidence=0.0, cache=folder / "cache", features=Areas())) == 1
