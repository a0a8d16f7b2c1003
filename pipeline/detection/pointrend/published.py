"""Published weights: from detectron2's model zoo by name, or from a file; read without running code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from detectron2.utils.file_io import PathManager
from torch import Tensor, nn

from pipeline.detection.detector import WeightsUnavailable
from pipeline.detection.weights import load_fitting

MODEL_ZOO = "detectron2://"

COCO = (
    "detectron2://PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_3x_coco/164955410/"
    "model_final_edd263.pkl"
)
"""PointRend's own, of COCO: ResNet-50-FPN, three times the usual schedule."""

PREFIX = "model."
"""Of our names, before detectron2's."""

RENAMED = {
    "mask_coarse_head.coarse_mask_fc": "mask_head.coarse_head.fc",
    "mask_coarse_head.": "mask_head.coarse_head.",
    "mask_point_head.": "mask_head.point_head.",
}
"""Names in older published files -> today's."""

ALLOWED = {
    ("collections", "OrderedDict"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}
"""What a pickle of arrays needs; anything else in one could run code."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def load_published(network: nn.Module, weights: str) -> None:
    """Load an entry of the model zoo or a file: all but the layers whose size is the number of categories.

    Raises
    ------
    WeightsUnavailable
        When they can neither be downloaded nor are in iopath's cache, or are no weights.
    """
    own = network.state_dict()
    named = {PREFIX + _todays(name): value for name, value in read_published(weights).items()}
    found = {name: value for name, value in named.items() if name in own}
    if not found:
        raise WeightsUnavailable(
            f"{weights} holds nothing that fits: is it of a ResNet-50-FPN of detectron2?"
        )
    load_fitting(network, found)


def read_published(weights: str) -> Mapping[str, Tensor]:
    """Tensors by name, of a pickle of arrays or a torch file."""
    try:
        path = Path(PathManager.get_local_path(weights))
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"{weights} could not be downloaded ({error}). Name a file instead (weights=/path/to/it.pkl), or "
            "train with weights=none, which needs far more images."
        ) from error
    try:
        content = _unpickled(path) if path.suffix == ".pkl" else _torch_file(path)
        state = content.get("model", content)
        return {name: _tensor(value) for name, value in state.items() if hasattr(value, "shape")}
    except (pickle.UnpicklingError, EOFError, AttributeError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsUnavailable(f"{path} cannot be read as weights: {error}.") from error


def _unpickled(path: Path) -> Any:
    with path.open("rb") as file:
        return _ArraysOnly(file, encoding="latin1").load()


def _torch_file(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))


def _todays(name: str) -> str:
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name
