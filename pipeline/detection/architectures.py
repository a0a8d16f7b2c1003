"""Mask R-CNN in two sizes, and how each is trained unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from pipeline.detection.bodies import BODIES, LEVELS, LOADERS, group_norm, has_imagenet_weights
from pipeline.detection.features import PROJECTION_SEED, MaskFeatures
from pipeline.detection.mask_iou import MaskIoUHead
from pipeline.detection.network import AT_LEAST, DetectionNetwork, Target
from pipeline.detection.options import InvalidOption, PredictOptions
from pipeline.detection.proposal_sampling import ShareKeepingSampler
from pipeline.detection.roi_heads import ForgivingRPN, QualityHeads

DIVISIBLE = 32
"""Padded sides of a batch are multiples of this, for the pyramid's strides."""

ANCHORS_LEARNT = 256
"""Anchors of an image that the proposal network learns from, at most half of them objects."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The size of a Mask R-CNN and the training it was tuned for.

    Attributes
    ----------
    name : in DETECTORS
    bodies : name of the weights it can start from -> body in BODIES; by itself the first that can be had
    anchors : side of the square whose area an anchor has, one for each pyramid level
    width : channels of the pyramid and of the mask head
    box_hidden, mask_layers, judge_width, judge_hidden : sizes of the heads
    regions : proposals of an image that the box head learns from
    objects_share : of these, at most
    mask_regions : objects' proposals of an image that the mask heads learn from
    overlap : IoU of boxes from which the worse prediction is dropped
    one_class_a_box : whether it is dropped, too, when it is of another category
    proposals : proposals kept of an image, in training and in prediction
    iterations, batch_size, learning_rate, decay, short_side : of training
    body_rate : learning rate of a pretrained body, in those of the rest
    random_rate : learning rate from random weights, in those of pretrained ones
    adaptive : trained by AdamW, else by SGD with momentum
    scales : of an image in training, the least and the greatest, in the short side
    light : the most that its brightness changes by, as a share
    """

    name: str
    bodies: Mapping[str, str]
    anchors: tuple[int, ...]
    width: int
    box_hidden: int
    mask_layers: int
    judge_width: int
    judge_hidden: int
    regions: int
    objects_share: float
    mask_regions: int
    overlap: float
    one_class_a_box: bool
    proposals: tuple[int, int]
    iterations: int
    batch_size: int
    learning_rate: float
    decay: float
    body_rate: float
    random_rate: float
    adaptive: bool
    short_side: int
    scales: tuple[float, float]
    light: float

    def choose_weights(self, wanted: str) -> str:
        """Satisfies Design; "auto" does without ImageNet's weights, but not without COCO's."""
        known = list(self.bodies)
        if wanted != "auto" and wanted not in known:
            raise InvalidOption(f"{self.name} starts from {' or '.join(known)}, not {wanted}.")
        if wanted == "auto" and known[0] == "imagenet" and not has_imagenet_weights():
            return "none"
        return known[0] if wanted == "auto" else wanted

    def body_of(self, weights: str) -> str:
        return self.bodies[weights]

    def build(self, *, classes: int, body: str) -> DetectionNetwork:
        return build(self, classes=classes, body=body)

    def fill(self, network: DetectionNetwork, weights: str) -> None:
        LOADERS[weights](network)


SMALL = Architecture(
    name="maskrcnn-small",
    bodies={"imagenet": "efficientnet-lite0", "none": "resnet10"},
    anchors=(16, 32, 64, 128, 256),
    width=48,
    box_hidden=256,
    mask_layers=3,
    judge_width=32,
    judge_hidden=256,
    regions=64,
    objects_share=0.5,
    mask_regions=8,
    overlap=0.35,
    one_class_a_box=True,
    proposals=(200, 100),
    iterations=400,
    batch_size=4,
    learning_rate=3e-3,
    decay=0.02,
    body_rate=0.3,
    random_rate=0.5,
    adaptive=True,
    short_side=192,
    scales=(1.0, 1.0),
    light=0.0,
)

FULL = Architecture(
    name="maskrcnn-r50-fpn",
    bodies={"coco": "resnet50-frozen", "none": "resnet50"},
    anchors=(32, 64, 128, 256, 512),
    width=256,
    box_hidden=1024,
    mask_layers=4,
    judge_width=256,
    judge_hidden=1024,
    regions=512,
    objects_share=0.25,
    mask_regions=128,
    overlap=0.5,
    one_class_a_box=False,
    proposals=(2000, 1000),
    iterations=20_000,
    batch_size=8,
    learning_rate=0.01,
    decay=1e-4,
    body_rate=1.0,
    random_rate=1.0,
    adaptive=False,
    short_side=640,
    scales=(0.8, 1.25),
    light=0.1,
)

ARCHITECTURES: dict[str, Architecture] = {architecture.name: architecture for architecture in (SMALL, FULL)}


class Network(DetectionNetwork):
    """A Mask R-CNN over images that were resized before; its state has torchvision's names."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        backbone: nn.Module,
        rpn: ForgivingRPN,
        roi_heads: QualityHeads,
        mean: Sequence[float],
        deviation: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: list[Tensor], targets: list[Target] | None = None) -> object:
        batch = self._batched(images)
        features = self.backbone(batch.tensors)
        proposals, proposal_losses = self.rpn(batch, features, targets)
        detections, losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        if not self.training:
            return detections
        objectness, offsets = proposal_losses.values()
        return {"proposal": objectness, "proposal_box": offsets, **losses}

    def keep(self, options: PredictOptions) -> None:
        self.roi_heads.kinds = frozenset(options.features)
        self.roi_heads.score_thresh = options.min_confidence - AT_LEAST
        self.roi_heads.detections_per_img = options.max_masks

    def _batched(self, images: list[Tensor]) -> ImageList:
        """Normalised images in one tensor, padded with zeros on the right and at the bottom."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        height, width = (-(-max(sides) // DIVISIBLE) * DIVISIBLE for sides in zip(*sizes, strict=True))
        batch = self.mean.new_zeros((len(images), 3, height, width))
        for row, image in zip(batch, images, strict=True):
            row[:, : image.shape[1], : image.shape[2]] = (image.float() / 255 - self.mean) / self.deviation
        return ImageList(batch, sizes)


def build(architecture: Architecture, *, classes: int, body: str) -> Network:
    """An untrained network for `classes` categories over one of BODIES."""
    pyramid = BODIES[body]
    anchors = AnchorGenerator(
        tuple((side,) for side in architecture.anchors), ((0.5, 1.0, 2.0),) * len(architecture.anchors)
    )
    return Network(
        backbone=pyramid.make(architecture.width),
        rpn=_proposals(architecture, anchors),
        roi_heads=_heads(architecture, classes + 1),
        mean=pyramid.mean,
        deviation=pyramid.deviation,
    )


def _proposals(architecture: Architecture, anchors: AnchorGenerator) -> ForgivingRPN:
    in_training, in_prediction = architecture.proposals
    network = ForgivingRPN(
        anchors,
        RPNHead(architecture.width, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=ANCHORS_LEARNT,
        positive_fraction=0.5,
        pre_nms_top_n={"training": in_training, "testing": in_prediction},
        post_nms_top_n={"training": in_training, "testing": in_prediction},
        nms_thresh=0.7,
    )
    network.fg_bg_sampler = ShareKeepingSampler(size=ANCHORS_LEARNT, positive_fraction=0.5)
    return network


def _heads(architecture: Architecture, outputs: int) -> QualityHeads:
    """Box, mask and mask-IoU heads for `outputs` classes, background among them."""
    width, hidden = architecture.width, architecture.box_hidden
    norm = group_norm if architecture.adaptive else None  # COCO's weights are of heads without
    heads = QualityHeads(
        box_roi_pool=MultiScaleRoIAlign(LEVELS, output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(width * 7 * 7, hidden),
        box_predictor=FastRCNNPredictor(hidden, outputs),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=architecture.regions,
        positive_fraction=architecture.objects_share,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=architecture.overlap,
        detections_per_img=100,
        mask_roi_pool=MultiScaleRoIAlign(LEVELS, output_size=14, sampling_ratio=2),
        mask_head=MaskRCNNHeads(width, (width,) * architecture.mask_layers, dilation=1, norm_layer=norm),
        mask_predictor=MaskRCNNPredictor(width, width, outputs),
    )
    heads.fg_bg_sampler = ShareKeepingSampler(
        size=architecture.regions, positive_fraction=architecture.objects_share
    )
    heads.mask_regions, heads.one_class_a_box = architecture.mask_regions, architecture.one_class_a_box
    heads.judge = MaskIoUHead(
        channels=width, width=architecture.judge_width, hidden=architecture.judge_hidden
    )
    heads.describe = MaskFeatures(channels=width, seed=PROJECTION_SEED)
    heads.kinds = ()
    return heads
