"""Mask R-CNN's heads with the mask-IoU branch and the mask features, and regions that are no background."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import roi_heads as torchvision_heads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import boxes as box_ops

from pipeline.detection.background import near_ignored, would_mislead
from pipeline.detection.features import MaskFeatures
from pipeline.detection.mask_iou import MaskIoUHead, relaxed_iou
from pipeline.detection.network import Target
from pipeline.detection.proposal_sampling import ShareKeepingSampler


class ForgivingRPN(RegionProposalNetwork):  # type: ignore[misc]
    """A region proposal network that takes no anchor in an ignored box for background."""

    fg_bg_sampler: ShareKeepingSampler

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        self.fg_bg_sampler.sparse = [bool(target["sparse"]) for target in targets]
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, anchor, target in zip(labels, anchors, targets, strict=True):
            near = near_ignored(anchor, target["ignored"], overlap=target["overlap"])
            label[(label == 0) & near] = -1
        return labels, matched

    def compute_loss(
        self, objectness: Tensor, offsets: Tensor, labels: list[Tensor], targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        if not self.fg_bg_sampler.would_choose(labels):
            return objectness.sum() * 0, offsets.sum() * 0
        losses: tuple[Tensor, Tensor] = super().compute_loss(objectness, offsets, labels, targets)
        return losses


class QualityHeads(torchvision_heads.RoIHeads):  # type: ignore[misc]
    """Box, mask and mask-IoU heads.

    Trained, it returns losses; else, per image: boxes (k, 4), labels (k,), scores (k,) of the class, masks
    (k, 28, 28) probabilities, ious (k,) predicted, and features of `kinds`.
    """

    fg_bg_sampler: ShareKeepingSampler
    mask_regions: int
    one_class_a_box: bool
    judge: MaskIoUHead
    describe: MaskFeatures
    kinds: Collection[str]

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        if self.training:
            if targets is None:
                raise ValueError("Training needs targets.")
            return [], self._losses(features, proposals, image_shapes, targets)
        return self._detections(features, proposals, image_shapes), {}

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        matched_from = self.proposal_matcher.low_threshold
        kept = [
            proposal[~would_mislead(proposal, target, matched_from=matched_from)]
            for proposal, target in zip(proposals, targets, strict=True)
        ]
        self.fg_bg_sampler.sparse = [bool(target["sparse"]) for target in targets]
        chosen: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
        chosen = super().select_training_samples(kept, targets)
        return chosen

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target],
    ) -> dict[str, Tensor]:
        proposals, matched, labels, regression = self.select_training_samples(proposals, targets)
        pooled = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        class_logits, offsets = self.box_predictor(pooled)
        loss_class, loss_box = class_logits.sum() * 0, offsets.sum() * 0
        if len(class_logits):
            loss_class, loss_box = torchvision_heads.fastrcnn_loss(class_logits, offsets, labels, regression)
        positive = [_some_of(label > 0, self.mask_regions) for label in labels]
        boxes = [proposal[rows] for proposal, rows in zip(proposals, positive, strict=True)]
        classes = torch.cat([label[rows] for label, rows in zip(labels, positive, strict=True)])
        truth = _cropped_truth(targets, boxes, [m[rows] for m, rows in zip(matched, positive, strict=True)])
        loss_mask, loss_iou = self._mask_losses(features, boxes, image_shapes, classes, truth)
        return {"class": loss_class, "box": loss_box, "mask": loss_mask, "mask_iou": loss_iou}

    def _mask_losses(
        self,
        features: dict[str, Tensor],
        boxes: list[Tensor],
        image_shapes: list[tuple[int, int]],
        classes: Tensor,
        truth: Tensor,
    ) -> tuple[Tensor, Tensor]:
        regions = self.mask_roi_pool(features, boxes, image_shapes)
        logits = self._mask_logits(regions, classes)
        if not len(classes):
            nothing = logits.sum() * 0
            return nothing, nothing
        loss_mask = functional.binary_cross_entropy_with_logits(logits.float(), truth)
        probabilities = logits.detach().float().sigmoid()
        predicted, _ = self.judge(regions, probabilities)
        return loss_mask, functional.mse_loss(predicted.float(), relaxed_iou(probabilities, truth))

    def _mask_logits(self, regions: Tensor, classes: Tensor) -> Tensor:
        """(n, 28, 28) logits of the mask of each region's class."""
        logits: Tensor = self.mask_predictor(self.mask_head(regions))
        return logits[torch.arange(len(classes), device=classes.device), classes]

    def _detections(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        pooled = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        class_logits, offsets = self.box_predictor(pooled)
        boxes, scores, labels = self._distinct(
            *self.postprocess_detections(class_logits.float(), offsets.float(), proposals, image_shapes)
        )
        regions = self.mask_roi_pool(features, boxes, image_shapes)
        probabilities = self._mask_logits(regions, torch.cat(labels)).float().sigmoid()
        ious, judged = self.judge(regions, probabilities)
        columns = {
            "boxes": torch.cat(boxes),
            "labels": torch.cat(labels),
            "scores": torch.cat(scores),
            "masks": probabilities,
            "ious": ious.float().clamp(0, 1),
            **self.describe(regions, probabilities, judged, self.kinds),
        }
        counts = [len(found) for found in boxes]
        parts = {name: column.split(counts) for name, column in columns.items()}
        return [{name: part[image] for name, part in parts.items()} for image in range(len(counts))]

    def _distinct(
        self, boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Without boxes that a better one of another class covers, where an object gets one class only."""
        if not self.one_class_a_box:
            return boxes, scores, labels
        kept = [box_ops.nms(box, score, self.nms_thresh) for box, score in zip(boxes, scores, strict=True)]
        boxes, scores, labels = (
            [part[rows] for part, rows in zip(column, kept, strict=True)]
            for column in (boxes, scores, labels)
        )
        return boxes, scores, labels


def _some_of(chosen: Tensor, number: int) -> Tensor:
    """(n,) bool: at most `number` of the chosen, at random."""
    rows = torch.nonzero(chosen)[:, 0]
    some = rows[torch.randperm(len(rows), device=rows.device)[:number]]
    return torch.zeros_like(chosen).index_fill_(0, some, True)


def _cropped_truth(
    targets: list[Target], boxes: list[Tensor], matched: list[Tensor], side: int = 28
) -> Tensor:
    """(n, side, side) float32: the true mask of each box's object, cropped to the box."""
    crops = [
        torchvision_heads.project_masks_on_boxes(target["masks"], box, rows, side)
        for target, box, rows in zip(targets, boxes, matched, strict=True)
        if len(box)
    ]
    return torch.cat(crops) if crops else boxes[0].new_zeros((0, side, side))
