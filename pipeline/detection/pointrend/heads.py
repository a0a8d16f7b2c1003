"""PointRend's heads with the mask-IoU branch, the mask features, and regions that are no background."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import ROI_HEADS_REGISTRY, ROI_MASK_HEAD_REGISTRY, StandardROIHeads
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads import select_foreground_proposals
from detectron2.projects.point_rend import PointRendMaskHead
from detectron2.projects.point_rend.point_features import generate_regular_grid_point_coords
from detectron2.structures import Boxes, Instances
from torch import Tensor
from torch.nn import functional

from pipeline.detection.background import would_mislead
from pipeline.detection.features import PROJECTION_SEED, MaskFeatures, resized
from pipeline.detection.mask_iou import MaskIoUHead, relaxed_iou
from pipeline.detection.network import Target
from pipeline.detection.proposal_sampling import NegativesShare

GRID = 28
"""Side of the masks that the mask-IoU head judges."""

REGION = 14
"""Side of the region that it looks at."""

Pyramid = dict[str, Tensor]


@ROI_MASK_HEAD_REGISTRY.register()
class OneClassMaskHead(PointRendMaskHead):  # type: ignore[misc]
    """Predicts, of each region, the mask of its class only: memory does not grow with the categories."""

    def __init__(self, cfg: Any, input_shape: Any) -> None:
        super().__init__(cfg, input_shape)
        self._wanted: Tensor | None = None

    def _subdivision_inference(self, features: Pyramid, coarse: Tensor, instances: list[Instances]) -> Any:
        self._wanted = torch.cat([found.pred_classes for found in instances])
        try:
            return super()._subdivision_inference(features, coarse, instances)
        finally:
            self._wanted = None

    def _get_point_logits(self, fine: Tensor, points: Tensor, coarse: Tensor) -> Tensor:
        """(n, classes, p) logits in training, (n, 1, p) in inference."""
        logits: Tensor = super()._get_point_logits(fine, points, coarse)
        if self._wanted is None:
            return logits
        return logits[torch.arange(len(logits), device=logits.device), self._wanted][:, None]

    @torch.no_grad()
    def on_grid(self, features: Pyramid, boxes: list[Boxes], classes: Tensor) -> Tensor:
        """(n, 28, 28) probabilities of the masks of these (n,) classes, as inference has them at first."""
        coarse = self.coarse_head(self._roi_pooler(features, boxes))
        points = generate_regular_grid_point_coords(len(classes), GRID, classes.device)
        logits = self._get_point_logits(self._point_pooler(features, boxes, points), points, coarse)
        chosen: Tensor = logits[torch.arange(len(classes), device=classes.device), classes]
        return chosen.float().sigmoid().reshape(-1, GRID, GRID)


@ROI_HEADS_REGISTRY.register()
class JudgingHeads(StandardROIHeads):  # type: ignore[misc]
    """Box, mask and mask-IoU heads; predictions also have `ious` and the features of `kinds`.

    Attributes
    ----------
    targets : of the batch that is learnt next
    kinds : feature kinds that predictions have
    """

    @configurable
    def __init__(
        self,
        *,
        judge: MaskIoUHead,
        describe: MaskFeatures,
        share: NegativesShare,
        region_pooler: ROIPooler,
        judged_regions: int,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.judge, self.describe, self.share = judge, describe, share
        self.region_pooler, self.judged_regions = region_pooler, judged_regions
        self.targets: Sequence[Target] = ()
        self.kinds: Collection[str] = ()

    @classmethod
    def from_config(cls, cfg: Any, input_shape: Any) -> dict[str, Any]:
        sizes, channels = cfg.MODEL.MASK_IOU, cfg.MODEL.FPN.OUT_CHANNELS
        scales = tuple(1.0 / input_shape[level].stride for level in cfg.MODEL.ROI_HEADS.IN_FEATURES)
        return {
            **super().from_config(cfg, input_shape),
            "judge": MaskIoUHead(channels=channels, width=sizes.WIDTH, hidden=sizes.HIDDEN),
            "describe": MaskFeatures(channels=channels, seed=PROJECTION_SEED),
            "share": NegativesShare(positive_fraction=cfg.MODEL.ROI_HEADS.POSITIVE_FRACTION),
            "region_pooler": ROIPooler(REGION, scales, sampling_ratio=2, pooler_type="ROIAlignV2"),
            "judged_regions": sizes.REGIONS,
        }

    def label_and_sample_proposals(self, proposals: list[Instances], targets: list[Instances]) -> Any:
        matched_from = self.proposal_matcher.thresholds[1]  # the first is minus infinity
        self._sparse = iter([bool(target["sparse"]) for target in self.targets])
        kept = [
            proposal[~would_mislead(proposal.proposal_boxes.tensor, target, matched_from=matched_from)]
            for proposal, target in zip(proposals, self.targets, strict=True)
        ]
        return super().label_and_sample_proposals(kept, targets)

    def _sample_proposals(self, *matches: Tensor) -> tuple[Tensor, Tensor]:
        """Called once an image, in order: rows of the proposals that are learnt, and their classes."""
        rows, classes = super()._sample_proposals(*matches)
        positives = int((classes != self.num_classes).sum())  # they come first
        if next(self._sparse):
            end = positives + self.share.of(positives)
            return rows[:end], classes[:end]
        self.share.learn(positives=positives, negatives=len(classes) - positives)
        return rows, classes

    def _forward_mask(self, features: Pyramid, instances: list[Instances]) -> Any:
        if not self.training:
            return self._judged(features, super()._forward_mask(features, instances))
        chosen, _ = select_foreground_proposals(instances, self.num_classes)
        if not any(len(found) for found in chosen):  # point sampling needs at least one
            nothing = features["p2"].sum() * 0
            return {"loss_mask": nothing, "loss_mask_point": nothing, "loss_mask_iou": nothing}
        losses = super()._forward_mask(features, instances)
        return losses | {"loss_mask_iou": self._judging_loss(features, self._some_of(chosen))}

    def _some_of(self, instances: list[Instances]) -> list[Instances]:
        """At most `judged_regions` of a batch, at random."""
        each = max(1, self.judged_regions // len(instances))
        return [
            found[torch.randperm(len(found), device=found.gt_classes.device)[:each]] for found in instances
        ]

    def _judging_loss(self, features: Pyramid, instances: list[Instances]) -> Tensor:
        """Squared error of the predicted against the relaxed IoU (Sec. 4, Detection)."""
        boxes = [found.proposal_boxes for found in instances]
        shapes = self.mask_head.on_grid(features, boxes, torch.cat([found.gt_classes for found in instances]))
        truth = torch.cat(
            [
                found.gt_masks.crop_and_resize(found.proposal_boxes.tensor, GRID)
                for found in instances
                if len(found)
            ]
        )
        predicted, _ = self.judge(self._regions(features, boxes), shapes)
        return functional.mse_loss(predicted.float(), relaxed_iou(shapes, truth.float()))

    def _regions(self, features: Pyramid, boxes: list[Boxes]) -> Tensor:
        """(n, channels, 14, 14) of the pyramid's level that fits each box."""
        regions: Tensor = self.region_pooler([features[level] for level in self.box_in_features], boxes)
        return regions

    def _judged(self, features: Pyramid, instances: list[Instances]) -> list[Instances]:
        """Predictions with `ious` and features."""
        shapes = torch.cat([found.pred_masks for found in instances]).float()
        regions = self._regions(features, [found.pred_boxes for found in instances])
        ious, judged = self.judge(regions, resized(shapes, GRID)[:, 0])
        columns = {
            "ious": ious.float().clamp(0, 1),
            **self.describe(regions, shapes[:, 0], judged, self.kinds),
        }
        counts = [len(found) for found in instances]
        for name, column in columns.items():
            for found, part in zip(instances, column.split(counts), strict=True):
                found.set(name, part)
        return instances
