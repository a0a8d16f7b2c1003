"""detectron2's region proposals, taught by images whose annotations may be incomplete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import PROPOSAL_GENERATOR_REGISTRY
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import Boxes
from torch import Tensor

from pipeline.detection.background import near_ignored
from pipeline.detection.network import Target
from pipeline.detection.proposal_sampling import NegativesShare


@PROPOSAL_GENERATOR_REGISTRY.register()
class ForgivingProposals(RPN):  # type: ignore[misc]
    """Takes no anchor in an ignored box for background, and few of an image that is sparsely annotated.

    Attributes
    ----------
    targets : of the batch that is learnt next
    """

    @configurable
    def __init__(self, *, share: NegativesShare, **parts: Any) -> None:
        super().__init__(**parts)
        self.share = share
        self.targets: Sequence[Target] = ()
        self._images: Iterator[tuple[Tensor, bool]] = iter(())

    @classmethod
    def from_config(cls, cfg: Any, input_shape: Any) -> dict[str, Any]:
        share = NegativesShare(positive_fraction=cfg.MODEL.RPN.POSITIVE_FRACTION)
        return {**super().from_config(cfg, input_shape), "share": share}

    def label_and_sample_anchors(self, anchors: list[Boxes], gt_instances: list[Any]) -> Any:
        places = Boxes.cat(anchors).tensor
        self._images = iter(
            [
                (near_ignored(places, target["ignored"], overlap=target["overlap"]), bool(target["sparse"]))
                for target in self.targets
            ]
        )
        return super().label_and_sample_anchors(anchors, gt_instances)

    def _subsample_labels(self, label: Tensor) -> Tensor:
        """Called once an image, in order: labels 1, 0 and -1 of all anchors -> those that are learnt."""
        near, sparse = next(self._images)
        label[(label == 0) & near] = -1
        label = super()._subsample_labels(label)
        positives, negatives = int((label == 1).sum()), torch.nonzero(label == 0)[:, 0]
        if sparse:
            dropped = torch.randperm(len(negatives), device=label.device)[self.share.of(positives) :]
            label[negatives[dropped]] = -1
        else:
            self.share.learn(positives=positives, negatives=len(negatives))
        return label
