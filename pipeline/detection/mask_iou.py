"""The mask-IoU head: how good a predicted mask is, regressed from the region it was predicted in."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def relaxed_iou(probabilities: Tensor, truth: Tensor) -> Tensor:
    """(n, h, w) mask probabilities and truth, both in [0, 1] -> (n,) IoU: sum of minima over sum of maxima.

    Regions without any truth and any probability have IoU 0.
    """
    least = torch.minimum(probabilities, truth).sum(dim=(1, 2))
    most = torch.maximum(probabilities, truth).sum(dim=(1, 2))
    return least / most.clamp(min=1e-6)


class MaskIoUHead(nn.Module):
    """Mask-IoU head of the paper (Sec. 4, Detection), after Mask Scoring R-CNN.

    Four 3 x 3 convolutions, the last with stride 2, then fully connected layers; inputs are detached, so
    that it learns to judge the masks without bending what they are made from.

    Parameters
    ----------
    channels : of the region's features
    width : of the convolutions
    hidden : of the two fully connected layers; the second is feature kind "mask_iou"
    """

    def __init__(self, *, channels: int, width: int, hidden: int) -> None:
        super().__init__()
        strides = (1, 1, 1, 2)
        inputs = (channels + 1, width, width, width)
        convolutions = [
            nn.Conv2d(wide, width, 3, stride=stride, padding=1)
            for wide, stride in zip(inputs, strides, strict=True)
        ]
        self.convolutions = nn.ModuleList(convolutions)
        self.fc1 = nn.Linear(width * 7 * 7, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.iou = nn.Linear(hidden, 1)
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        for linear in (self.fc1, self.fc2):
            nn.init.kaiming_uniform_(linear.weight, a=1)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.iou.weight, std=0.01)
        nn.init.constant_(self.iou.bias, 0.5)

    def forward(self, regions: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Judge predicted masks.

        Parameters
        ----------
        regions : (n, channels, 14, 14) features of the region
        probabilities : (n, 28, 28) predicted mask of the region's class, in [0, 1]

        Returns
        -------
        predicted IoU (n,), unbounded; features (n, hidden)
        """
        shape = functional.max_pool2d(probabilities.detach()[:, None], 2)
        x = torch.cat([regions.detach(), shape.to(regions.dtype)], dim=1)
        for convolution in self.convolutions:
            x = functional.relu(convolution(x))
        x = functional.relu(self.fc1(x.flatten(1)))
        features = functional.relu(self.fc2(x))
        return self.iou(features)[:, 0], features
