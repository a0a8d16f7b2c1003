"""What training and prediction need of a network, and of the design that it is built from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from pipeline.detection.options import PredictOptions

Target = dict[str, Tensor]
"""boxes (k, 4) x0 y0 x1 y1; labels (k,) from 1; masks (k, h, w) uint8; ignored (j, 4) boxes; sparse () bool;
overlap () float32, the share of a proposal in an ignored box from which it is no background."""

AT_LEAST = 1e-6
"""Networks keep scores above a bound, we those that reach it."""


class DetectionNetwork(nn.Module):
    """A network over images that were resized before.

    Images are (3, h, w) uint8 on the network's device, of any sizes, red first. Trained, `forward(images,
    targets)` returns losses by name; else `forward(images)` returns for each image: boxes (k, 4) in its
    pixels, labels (k,) from 1, scores (k,) of the class, best first, masks (k, m, m) probabilities in their
    boxes, ious (k,) predicted, and the feature kinds asked for, each (k, d).

    Attributes
    ----------
    pretrained_part : what the names of parameters begin with that learn at the body's rate
    """

    pretrained_part = "backbone.body."

    def keep(self, options: PredictOptions) -> None:
        """Predict what `options` ask for: confidence, number of masks, feature kinds."""
        raise NotImplementedError


class Design(Protocol):
    """How a network is built and, unless told otherwise, trained; see `Architecture` for the attributes."""

    @property
    def name(self) -> str: ...
    @property
    def bodies(self) -> Mapping[str, str]: ...
    @property
    def iterations(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def decay(self) -> float: ...
    @property
    def body_rate(self) -> float: ...
    @property
    def random_rate(self) -> float: ...
    @property
    def adaptive(self) -> bool: ...
    @property
    def short_side(self) -> int: ...
    @property
    def scales(self) -> tuple[float, float]: ...
    @property
    def light(self) -> float: ...

    def choose_weights(self, wanted: str) -> str:
        """The weights to start from, "auto" resolved; InvalidOption where it cannot start from them."""

    def build(self, *, classes: int, body: str) -> DetectionNetwork:
        """An untrained network for `classes` categories over the body of that name."""

    def body_of(self, weights: str) -> str:
        """The name of the body that takes these weights."""

    def fill(self, network: DetectionNetwork, weights: str) -> None:
        """Load pretrained weights, all but those whose size is the number of categories."""
