"""Detectors by name. Importing this does not import torch: a detector does when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.detection.detector import (
    AnnotatedImage,
    Detection,
    DetectionError,
    Detector,
    InvalidModel,
    NothingToLearn,
    Predictor,
    Step,
    Training,
    WeightsUnavailable,
)
from pipeline.detection.options import FitOptions, Hardware, InvalidOption, PredictOptions

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: threads that spin take cores from others

__all__ = [
    "DETECTORS",
    "AnnotatedImage",
    "Detection",
    "DetectionError",
    "Detector",
    "DetectorUnavailable",
    "Entry",
    "FitOptions",
    "Hardware",
    "InvalidModel",
    "InvalidOption",
    "NothingToLearn",
    "PredictOptions",
    "Predictor",
    "Step",
    "Training",
    "UnknownDetector",
    "WeightsUnavailable",
    "get_detector",
]


class UnknownDetector(DetectionError, ValueError):
    """A name that is not in DETECTORS; the message lists those that are."""


class DetectorUnavailable(DetectionError, ImportError):
    """A detector whose libraries are not installed; the message says how to install them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of DETECTORS.

    Attributes
    ----------
    description : one line for people who choose
    make : returns the detector; imports what it needs
    install : what to install when that fails
    """

    description: str
    make: Callable[[], Detector]
    install: str = ""


def _fake() -> Detector:
    from pipeline.detection.fake import FakeDetector

    return FakeDetector()


def _maskrcnn(size: str) -> Callable[[], Detector]:
    def make() -> Detector:
        from pipeline.detection.architectures import ARCHITECTURES
        from pipeline.detection.network_detector import NetworkDetector

        return NetworkDetector(ARCHITECTURES[size])

    return make


def _pointrend(name: str) -> Callable[[], Detector]:
    def make() -> Detector:
        from pipeline.detection.network_detector import NetworkDetector
        from pipeline.detection.pointrend.designs import DESIGNS

        return NetworkDetector(DESIGNS[name])

    return make


_VISION = "pip install 'maskgrove[vision]'."
_DETECTRON2 = (
    "install it as docs/how-to/own-model.md says, or let MASKGROVE_DETECTRON2 name a checkout of it."
)

DETECTORS: dict[str, Entry] = {
    "maskrcnn-small": Entry(
        "Mask R-CNN, EfficientNet-Lite0, narrow: learns on a CPU in minutes.",
        _maskrcnn("maskrcnn-small"),
        _VISION,
    ),
    "maskrcnn-r50-fpn": Entry(
        "Mask R-CNN, ResNet-50-FPN, from COCO weights: for a GPU.", _maskrcnn("maskrcnn-r50-fpn"), _VISION
    ),
    "pointrend": Entry(
        "PointRend, ResNet-50-FPN, from COCO weights (detectron2): the paper's own, for a GPU.",
        _pointrend("pointrend"),
        _DETECTRON2,
    ),
    "pointrend-tiny": Entry(
        "PointRend, ResNet-18-FPN, narrow (detectron2): learns generated scenes on a CPU in minutes.",
        _pointrend("pointrend-tiny"),
        _DETECTRON2,
    ),
    "fake": Entry("Colour blobs, no network: for tests and for trying the site out.", _fake),
}
"""The detectors by the name that a project stores. Add a row to add a detector."""


def get_detector(name: str) -> Detector:
    """The detector of that name.

    Raises
    ------
    UnknownDetector, DetectorUnavailable
    """
    entry = DETECTORS.get(name)
    if entry is None:
        raise UnknownDetector(f"Unknown detector {name!r}: choose from {', '.join(sorted(DETECTORS))}.")
    try:
        return entry.make()
    except ImportError as error:
        raise DetectorUnavailable(f"Detector {name!r} needs {error.name}: {entry.install}") from error
