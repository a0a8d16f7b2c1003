"""PointRend in two sizes: its configuration, and how it is trained unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from detectron2.projects.point_rend import add_pointrend_config

from pipeline.detection.network import DetectionNetwork
from pipeline.detection.options import InvalidOption
from pipeline.detection.pointrend import heads, proposals
from pipeline.detection.pointrend.network import PointRendNetwork
from pipeline.detection.pointrend.published import COCO, MODEL_ZOO, load_published

BODY = {"resnet-frozen": "FrozenBN", "resnet": "GN"}
"""Names of bodies -> their normalisation: that of published weights, and one that learns from few images."""

PYRAMID = ("p2", "p3", "p4", "p5")


@dataclass(frozen=True, slots=True)
class PointRendDesign:
    """Satisfies Design.

    Attributes
    ----------
    depth, stem : layers of the ResNet, and channels of its first stage
    width : channels of the pyramid and of the coarse mask head
    hidden : of the box and coarse mask heads
    point_width : of the point head
    judge_width, judge_hidden : of the mask-IoU head
    steps : how often inference doubles a mask of 7 x 7
    anchors : side of the square whose area an anchor has, one for each pyramid level
    regions, objects_share : proposals of an image that the heads learn from, and how many stand for objects
    judged_regions : of these, at most so many of a batch teach the mask-IoU head
    proposals : proposals kept of an image, in training and in prediction
    overlap : IoU of boxes of one category from which the worse prediction is dropped
    iterations, batch_size, learning_rate, decay, short_side, scales, light, adaptive, body_rate,
    random_rate : of training
    bodies : what it may start from, by name; without "coco" nothing published fits it
    """

    name: str = "pointrend"
    depth: int = 50
    stem: int = 256
    width: int = 256
    hidden: int = 1024
    point_width: int = 256
    judge_width: int = 256
    judge_hidden: int = 1024
    steps: int = 5
    anchors: tuple[int, ...] = (32, 64, 128, 256, 512)
    regions: int = 512
    objects_share: float = 0.25
    judged_regions: int = 128
    proposals: tuple[int, int] = (1000, 1000)
    overlap: float = 0.5
    iterations: int = 20_000
    batch_size: int = 8
    learning_rate: float = 0.01
    decay: float = 1e-4
    short_side: int = 800
    scales: tuple[float, float] = (0.8, 1.0)
    light: float = 0.1
    adaptive: bool = False
    body_rate: float = 1.0
    random_rate: float = 1.0
    bodies: Mapping[str, str] = field(
        default_factory=lambda: {"coco": "resnet-frozen", "none": "resnet"}, hash=False
    )

    def choose_weights(self, wanted: str) -> str:
        """Satisfies Design: besides the names, an entry of detectron2's model zoo or a file."""
        if "coco" not in self.bodies:  # Nothing is published that would fit.
            if wanted in ("auto", "none"):
                return "none"
            raise InvalidOption(f"{self.name} starts from none; {wanted!r} does not fit it.")
        if wanted == "auto":
            return "coco"
        if wanted in self.bodies or wanted.startswith(MODEL_ZOO) or Path(wanted).is_file():
            return wanted
        raise InvalidOption(
            f"{self.name} starts from coco, none, an entry of the model zoo such as {COCO}, or a file; "
            f"{wanted!r} is none of these."
        )

    def body_of(self, weights: str) -> str:
        return self.bodies[weights] if weights in self.bodies else self.bodies["coco"]

    def build(self, *, classes: int, body: str) -> DetectionNetwork:
        return PointRendNetwork(build_model(configuration(self, classes=classes, body=body)))

    def fill(self, network: DetectionNetwork, weights: str) -> None:
        if weights != "none":
            load_published(network, COCO if weights == "coco" else weights)


FULL = PointRendDesign()

TINY = PointRendDesign(
    name="pointrend-tiny",
    depth=18,
    stem=64,
    width=64,
    hidden=128,
    point_width=64,
    judge_width=32,
    judge_hidden=128,
    steps=3,
    anchors=(16, 32, 64, 128, 256),
    regions=48,
    objects_share=0.5,
    judged_regions=24,
    proposals=(200, 100),
    overlap=0.35,
    iterations=300,
    batch_size=4,
    learning_rate=1.5e-3,
    decay=0.02,
    short_side=160,
    adaptive=True,
    bodies={"none": "resnet"},
)
"""For tests and for a look at a CPU: learns a few generated scenes in minutes."""

DESIGNS: dict[str, PointRendDesign] = {design.name: design for design in (FULL, TINY)}


def configuration(design: PointRendDesign, *, classes: int, body: str) -> CfgNode:
    """detectron2's configuration of the design: PointRend's published one, with our heads and sizes."""
    cfg = get_cfg()
    add_pointrend_config(cfg)
    cfg.MODEL.MASK_IOU = CfgNode({"WIDTH": design.judge_width, "HIDDEN": design.judge_hidden})
    cfg.MODEL.MASK_IOU.REGIONS = design.judged_regions
    for name, value in _settings(design, classes=classes, norm=BODY[body]).items():
        cfg.merge_from_list([name, value])
    cfg.freeze()
    return cfg


def _settings(design: PointRendDesign, *, classes: int, norm: str) -> dict[str, Any]:
    in_training, in_prediction = design.proposals
    return {
        "MODEL.DEVICE": "cpu",
        "MODEL.WEIGHTS": "",
        "MODEL.MASK_ON": True,
        "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
        "MODEL.BACKBONE.FREEZE_AT": 2 if norm == "FrozenBN" else 0,
        "MODEL.RESNETS.DEPTH": design.depth,
        "MODEL.RESNETS.NORM": norm,
        "MODEL.RESNETS.STRIDE_IN_1X1": design.depth >= 50,
        "MODEL.RESNETS.RES2_OUT_CHANNELS": design.stem,
        "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
        "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
        "MODEL.FPN.OUT_CHANNELS": design.width,
        "MODEL.FPN.NORM": "" if norm == "FrozenBN" else norm,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[side] for side in design.anchors],
        "MODEL.PROPOSAL_GENERATOR.NAME": proposals.ForgivingProposals.__name__,
        "MODEL.RPN.IN_FEATURES": [*PYRAMID, "p6"],
        "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 2 * in_training,
        "MODEL.RPN.PRE_NMS_TOPK_TEST": in_prediction,
        "MODEL.RPN.POST_NMS_TOPK_TRAIN": in_training,
        "MODEL.RPN.POST_NMS_TOPK_TEST": in_prediction,
        "MODEL.ROI_HEADS.NAME": heads.JudgingHeads.__name__,
        "MODEL.ROI_HEADS.NUM_CLASSES": classes,
        "MODEL.ROI_HEADS.IN_FEATURES": list(PYRAMID),
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": design.regions,
        "MODEL.ROI_HEADS.POSITIVE_FRACTION": design.objects_share,
        "MODEL.ROI_HEADS.NMS_THRESH_TEST": design.overlap,
        "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
        "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
        "MODEL.ROI_BOX_HEAD.FC_DIM": design.hidden,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        "MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES": True,
        "MODEL.ROI_MASK_HEAD.NAME": heads.OneClassMaskHead.__name__,
        "MODEL.ROI_MASK_HEAD.POOLER_TYPE": "",
        "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": 14,
        "MODEL.ROI_MASK_HEAD.CONV_DIM": design.width,
        "MODEL.ROI_MASK_HEAD.FC_DIM": design.hidden,
        "MODEL.ROI_MASK_HEAD.NUM_FC": 2,
        "MODEL.ROI_MASK_HEAD.OUTPUT_SIDE_RESOLUTION": 7,
        "MODEL.ROI_MASK_HEAD.IN_FEATURES": ["p2"],
        "MODEL.ROI_MASK_HEAD.POINT_HEAD_ON": True,
        "MODEL.POINT_HEAD.NUM_CLASSES": classes,
        "MODEL.POINT_HEAD.FC_DIM": design.point_width,
        "MODEL.POINT_HEAD.NUM_FC": 3,
        "MODEL.POINT_HEAD.IN_FEATURES": ["p2"],
        "MODEL.POINT_HEAD.SUBDIVISION_STEPS": design.steps,
        "INPUT.MASK_FORMAT": "bitmask",
    }
