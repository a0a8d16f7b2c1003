"""Drawing masks into images as run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import masks
from pipeline.detection.pasting import encode_window, paste


@given(
    window=st.tuples(st.integers(0, 7), st.integers(0, 7)).flatmap(lambda shape: arrays(bool, shape)),
    top=st.integers(0, 3),
    left=st.integers(0, 3),
    below=st.integers(0, 3),
    right=st.integers(0, 3),
)
@settings(max_examples=300)
def test_a_window_is_encoded_as_the_whole_image_would_be(
    window: np.ndarray, top: int, left: int, below: int, right: int
) -> None:
    whole = np.pad(window, ((top, below), (left, right)))
    if whole.size:
        height, width = whole.shape
        assert encode_window(window, top=top, left=left, height=height, width=width) == masks.encode(whole)


def test_a_full_mask_fills_its_box() -> None:
    window, top, left = paste(
        np.ones((28, 28), np.float32), np.array([5, 7, 25, 17], np.float32), height=40, width=50
    )
    assert (top, left) == (7, 5)
    assert window.shape == (10, 20)
    assert window.all()


def test_half_a_mask_fills_half_its_box() -> None:
    probabilities = np.zeros((28, 28), dtype=np.float32)
    probabilities[:, 14:] = 1
    window, _, _ = paste(probabilities, np.array([0, 0, 40, 10], np.float32), height=10, width=40)
    assert not window[:, :20].any()
    assert window[:, 20:].all()


@given(
    x0=st.floats(-30, 60),
    y0=st.floats(-30, 60),
    width=st.floats(0, 90),
    height=st.floats(0, 90),
    seed=st.integers(0, 9),
)
def test_any_box_gives_a_window_within_the_image(
    x0: float, y0: float, width: float, height: float, seed: int
) -> None:
    probabilities = np.random.default_rng(seed).random((28, 28), dtype=np.float32)
    box = np.array([x0, y0, x0 + width, y0 + height], dtype=np.float32)
    window, top, left = paste(probabilities, box, height=40, width=50)
    if window.size:
        assert 0 <= top <= top + window.shape[0] <= 40
        assert 0 <= left <= left + window.shape[1] <= 50
    assert encode_window(window, top=top, left=left, height=40, width=50)["size"] == [40, 50]


def test_it_draws_what_torchvision_draws() -> None:
    torch = pytest.importorskip("torch")
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 1, 6, 6), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=28, mode="bicubic").clamp(0, 1)
    box = np.array([12, 9, 96, 81], dtype=np.float32)
    theirs = paste_masks_in_image(smooth, torch.from_numpy(box)[None], (100, 120))[0, 0].numpy() >= 0.5
    window, top, left = paste(smooth[0, 0].numpy(), box, height=100, width=120)
    ours = np.zeros((100, 120), dtype=bool)
    ours[top : top + window.shape[0], left : left + window.shape[1]] = window
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.93  # theirs is rounded to whole boxes
