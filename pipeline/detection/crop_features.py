"""Feature vectors for masks that came without: the best source that is installed, or one by name."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.descriptors import CropFeatures, Descriptors
from pipeline.detection.options import Hardware, InvalidOption


class CropFeaturesUnavailable(ImportError):
    """A source of feature vectors whose libraries or weights are missing; the message says which."""


def _efficientnet_lite0(hardware: Hardware) -> CropFeatures:
    from pipeline.detection.embedding import efficientnet_lite0

    return efficientnet_lite0(hardware)


def _resnet_50(hardware: Hardware) -> CropFeatures:
    from pipeline.detection.embedding import resnet_50

    return resnet_50(hardware)


def _descriptors(_hardware: Hardware) -> CropFeatures:
    return Descriptors()


CROP_FEATURES: dict[str, Callable[[Hardware], CropFeatures]] = {
    "resnet50": _resnet_50,
    "efficientnet-lite0": _efficientnet_lite0,
    "descriptors": _descriptors,
}
"""Sources of feature vectors, best first; the last needs nothing."""


def crop_features(wanted: str = "auto", *, hardware: Hardware | None = None) -> CropFeatures:
    """The source of that name, or the best that is installed; its `name` says which it is.

    Raises
    ------
    InvalidOption
        When there is no source of that name.
    CropFeaturesUnavailable
        When it was asked for by name and cannot be used here.
    """
    if wanted != "auto" and wanted not in CROP_FEATURES:
        raise InvalidOption(f"Unknown features {wanted!r}: choose auto or one of {', '.join(CROP_FEATURES)}.")
    chosen = hardware or Hardware()
    missing: list[str] = []
    for name in CROP_FEATURES if wanted == "auto" else [wanted]:
        try:
            return CROP_FEATURES[name](chosen)
        except ImportError as error:
            missing.append(f"{name} needs {error.name or error}")
    raise CropFeaturesUnavailable("; ".join(missing))
