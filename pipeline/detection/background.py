"""Regions that are no background although nobody annotated them (Sec. 4, Training on sparse annotations)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import boxes as box_ops

from pipeline.detection.network import Target


def near_ignored(proposals: Tensor, ignored: Tensor, *, overlap: float | Tensor) -> Tensor:
    """(n,) bool: proposals with at least `overlap` of their area in one of the (j, 4) ignored boxes."""
    if not len(ignored):
        return torch.zeros(len(proposals), dtype=torch.bool, device=proposals.device)
    top_left = torch.maximum(proposals[:, None, :2], ignored[None, :, :2])
    bottom_right = torch.minimum(proposals[:, None, 2:], ignored[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=2)
    share: Tensor = shared.amax(dim=1) / box_ops.box_area(proposals).clamp(min=1e-6)
    return share >= overlap


def would_mislead(proposals: Tensor, target: Target, *, matched_from: float) -> Tensor:
    """(n,) bool: proposals in an ignored box that match no object, and would be learnt as background.

    Parameters
    ----------
    matched_from : IoU with an object from which a proposal stands for it
    """
    inside = near_ignored(proposals, target["ignored"], overlap=target["overlap"])
    if not len(target["boxes"]):
        return inside
    best: Tensor = box_ops.box_iou(target["boxes"], proposals).amax(dim=0)
    return inside & (best < matched_from)
