"""The paper's four feature vectors of a mask (Sec. 5.1), from one region of the image."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PROJECTED = 512
"""Dimensions that long feature vectors are reduced to."""

PROJECTION_SEED = 20211
"""Of the projections: the same for every model, so that rounds can be compared."""

MASK_SIDE = 56
REGION_SIDE = 7


def gaussian_projection(inputs: int, *, seed: int) -> Tensor:
    """(inputs, 512) float32 random projection that keeps squared lengths on average; fixed by its seed."""
    drawn = np.random.default_rng([seed, inputs]).standard_normal((inputs, PROJECTED), dtype=np.float32)
    return torch.from_numpy(drawn / np.sqrt(PROJECTED, dtype=np.float32))


def resized(shapes: Tensor, side: int) -> Tensor:
    """(n, 1, m, m) -> (n, 1, side, side): means of what falls together, or interpolated in between."""
    if shapes.shape[-1] >= side:
        return functional.adaptive_avg_pool2d(shapes, side)
    return functional.interpolate(shapes, size=side, mode="bilinear", align_corners=False)


class MaskFeatures(nn.Module):
    """Feature vectors of masks, with the fixed projections that are stored with the model.

    The projections are part of the model's state, so that vectors of different shards and machines agree.
    """

    on_mask: Tensor
    on_region: Tensor

    def __init__(self, *, channels: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("on_mask", gaussian_projection(MASK_SIDE**2, seed=seed))
        self.register_buffer("on_region", gaussian_projection(channels * REGION_SIDE**2, seed=seed))

    def forward(
        self, regions: Tensor, probabilities: Tensor, judged: Tensor, kinds: Collection[str]
    ) -> dict[str, Tensor]:
        """Compute the feature kinds asked for.

        Parameters
        ----------
        regions : (n, channels, 14, 14) features of the region
        probabilities : (n, m, m) predicted mask of its class, in [0, 1]
        judged : (n, hidden) the mask-IoU head's second last layer

        Returns
        -------
        kind -> (n, d) float32; "mask", "backbone" and "attention" of 512, "mask_iou" of the head's own width
        """
        with torch.autocast(regions.device.type, enabled=False):  # half precision would round the vectors
            return self._projected(regions, probabilities, judged, kinds)

    def _projected(
        self, regions: Tensor, probabilities: Tensor, judged: Tensor, kinds: Collection[str]
    ) -> dict[str, Tensor]:
        probabilities = probabilities.float()[:, None]
        region = functional.adaptive_avg_pool2d(regions.float(), REGION_SIDE)
        found: dict[str, Tensor] = {}
        if "mask" in kinds:
            found["mask"] = resized(probabilities, MASK_SIDE).flatten(1) @ self.on_mask
        if "backbone" in kinds:
            found["backbone"] = region.flatten(1) @ self.on_region
        if "mask_iou" in kinds:
            found["mask_iou"] = judged.float()
        if "attention" in kinds:
            attention = functional.adaptive_avg_pool2d(probabilities, REGION_SIDE) * region
            found["attention"] = attention.flatten(1) @ self.on_region
        return found
