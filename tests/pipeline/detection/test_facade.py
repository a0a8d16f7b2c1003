"""Training, detection and features on real street photos: a few iterations prove the path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline import masks
from pipeline.descriptors import Descriptors
from pipeline.detection import FitOptions, Hardware, PredictOptions, get_detector
from pipeline.pictures import pixels, read_upright

from .scene_images import annotated_from

ROOT = Path(__file__).resolve().parents[3]
FACADE = Path(os.environ.get("MASKGROVE_DATA", ROOT / "var" / "data")) / "facade"
IMAGES = 6

pytestmark = pytest.mark.skipif(
    not FACADE.exists(), reason=f"no photos of facades at {FACADE}: set MASKGROVE_DATA to where they are"
)


def test_photos_are_learnt_detected_and_described(tmp_path: Path) -> None:
    path, folder = FACADE / "annotations.json", FACADE / "images"
    images = annotated_from(path, folder, limit=IMAGES)
    ids = tuple(category["id"] for category in json.loads(path.read_text())["categories"])
    hardware = Hardware(device="cpu")
    detector = get_detector("maskrcnn-small")
    options = FitOptions(iterations=4, batch_size=2, short_side=160, hardware=hardware)
    training = detector.fit(images, category_ids=ids, folder=tmp_path, options=options)
    assert training.skipped == {}
    assert all(np.isfinite(step.losses["total"]) for step in training.history)

    anything = PredictOptions(min_confidence=0.0, max_masks=15, hardware=hardware)
    detections = list(
        detector.load(training.model, options=anything).predict([image.source for image in images[:3]])
    )
    for image, detection in zip(images, detections, strict=False):
        found = detection.predictions
        assert found is not None
        assert len(found) > 0
        assert set(found.categories.tolist()) <= set(ids)
        assert all(rle["size"] == [image.height, image.width] for rle in found.masks)
        assert {kind: rows.shape for kind, rows in found.features.items()} == {
            "mask": (len(found), 512),
            "backbone": (len(found), 512),
            "mask_iou": (len(found), 256),
            "attention": (len(found), 512),
        }


def test_windows_lie_nearer_to_windows_than_to_the_rest() -> None:
    content = json.loads((FACADE / "annotations.json").read_text())
    window = next(category["id"] for category in content["categories"] if category["name"] == "window")
    rows, kinds = [], []
    for image in annotated_from(FACADE / "annotations.json", FACADE / "images", limit=IMAGES):
        large = [rle for rle, area in zip(image.masks, masks.areas(image.masks), strict=True) if area > 400]
        chosen = np.isin([id(rle) for rle in image.masks], [id(rle) for rle in large])
        rows.append(Descriptors().describe(pixels(read_upright(image.source)), large))
        kinds.append(image.categories[chosen] == window)
    vectors, is_window = np.concatenate(rows), np.concatenate(kinds)
    centre = vectors[is_window].mean(axis=0)
    distance = np.linalg.norm(vectors - centre, axis=1)
    assert np.median(distance[is_window]) < np.median(distance[~is_window])
