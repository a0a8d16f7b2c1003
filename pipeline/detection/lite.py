"""EfficientNet-Lite0, whose ImageNet weights install from the package index."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = (
    # kernel, stride, expansion, channels in, channels out, blocks
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
CHANNELS = 1280
"""Of the last features."""

LEVELS = {2: 24, 4: 40, 10: 112, 15: 320}
"""The blocks that end at strides 4, 8, 16 and 32, and their channels."""

MEAN, DEVIATION = 127 / 255, 128 / 255
"""What the weights were trained with."""


class SamePadded(nn.Conv2d):
    """A convolution that pads as TensorFlow does: what is odd goes to the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
        padding = [part for total in reversed(missing) for part in (total // 2, total - total // 2)]
        return functional.conv2d(
            functional.pad(x, padding), self.weight, None, self.stride, groups=self.groups
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """An inverted bottleneck; names as in the published weights."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands, self.residual = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SamePadded(inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SamePadded(wide, wide, kernel, stride=stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = SamePadded(wide, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        out: Tensor = self._bn2(self._project_conv(wide))
        return x + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """(n, 3, h, w) images, normalised by MEAN and DEVIATION -> (n, 1280, h / 32, w / 32) features."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SamePadded(3, 32, 3, stride=2, bias=False)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(
            Block(kernel, stride if first else 1, expansion, inputs if first else outputs, outputs)
            for kernel, stride, expansion, inputs, outputs, blocks in STAGES
            for first in (True, *(False,) * (blocks - 1))
        )
        self._conv_head = SamePadded(320, CHANNELS, 1, bias=False)
        self._bn1 = _norm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self._bn1(self._conv_head(self.levels(x)[-1])))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Features at strides 4, 8, 16 and 32, with the channels of LEVELS."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        found = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in LEVELS:
                found.append(x)
        return found

    @classmethod
    def pretrained(cls, path: Path) -> EfficientNetLite0:
        """The network with the weights in a file; those of the classifier are left out."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = cls()
        network.load_state_dict({name: value for name, value in state.items() if not name.startswith("_fc")})
        return network.eval()
