"""PointRend as the training loop and the predictor use a network."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.modeling import GeneralizedRCNN
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor

from pipeline.detection.network import AT_LEAST, DetectionNetwork, Target
from pipeline.detection.options import PredictOptions

LOSSES = {
    "loss_rpn_cls": "proposal",
    "loss_rpn_loc": "proposal_box",
    "loss_cls": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
    "loss_mask_point": "mask_point",
    "loss_mask_iou": "mask_iou",
}
"""detectron2's names of losses -> ours."""

COLUMNS = {"pred_classes": "labels", "scores": "scores", "ious": "ious"}


class PointRendNetwork(DetectionNetwork):
    """A model of detectron2 whose heads are ours; blue first inside, as published weights want it."""

    pretrained_part = "model.backbone.bottom_up."

    def __init__(self, model: GeneralizedRCNN) -> None:
        super().__init__()
        self.model = model

    def keep(self, options: PredictOptions) -> None:
        self.model.roi_heads.kinds = frozenset(options.features)
        predictor = self.model.roi_heads.box_predictor
        predictor.test_score_thresh = options.min_confidence - AT_LEAST
        predictor.test_topk_per_image = options.max_masks

    def forward(self, images: list[Tensor], targets: list[Target] | None = None) -> object:
        batch = self.model.preprocess_image([{"image": image.flip(0).float()} for image in images])
        features = self.model.backbone(batch.tensor)
        if self.training:
            if targets is None:
                raise ValueError("Training needs targets.")
            return self._losses(batch, features, targets)
        proposals, _ = self.model.proposal_generator(batch, features, None)
        found, _ = self.model.roi_heads(batch, features, proposals, None)
        return [self._columns(instances) for instances in found]

    def _losses(self, batch: Any, features: dict[str, Tensor], targets: list[Target]) -> dict[str, Tensor]:
        truth = [_instances(target, size) for target, size in zip(targets, batch.image_sizes, strict=True)]
        self.model.proposal_generator.targets = self.model.roi_heads.targets = targets
        with EventStorage():  # detectron2 logs to one; our curve comes from the losses
            proposals, first = self.model.proposal_generator(batch, features, truth)
            _, second = self.model.roi_heads(batch, features, proposals, truth)
        return {LOSSES[name]: loss for name, loss in (first | second).items()}

    def _columns(self, found: Instances) -> dict[str, Tensor]:
        half = found.pred_masks.device.type == "cuda"  # 224 x 224 probabilities a mask have a way to go
        masks = found.pred_masks[:, 0]
        return {
            "boxes": found.pred_boxes.tensor,
            "labels": found.pred_classes + 1,
            "scores": found.scores.float(),
            "masks": masks.half() if half else masks.float(),
            **{name: found.get(name) for name in ("ious", *self.model.roi_heads.kinds)},
        }


def _instances(target: Target, size: tuple[int, int]) -> Instances:
    """A target as detectron2 has it: classes from 0."""
    truth = Instances(size)
    truth.gt_boxes = Boxes(target["boxes"])
    truth.gt_classes = target["labels"] - 1
    truth.gt_masks = BitMasks(target["masks"].to(torch.bool))
    return truth
