"""Feature vectors for masks that were predicted elsewhere: given with them, or computed from their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.models import Image
from annotation_site.catalog.sources import image_source
from pipeline.coco_results import PlacedResult
from pipeline.descriptors import CropFeatures
from pipeline.detection.crop_features import crop_features
from pipeline.pictures import pixels, read_upright
from pipeline.predictions import Rle

CHECKED_AT_ONCE = 16_384  # rows
LARGEST = float(np.finfo(np.float16).max)


class InvalidFeatures(ValueError):
    """A file of feature vectors that does not fit its predictions; the message says why."""


class FeatureSource(Protocol):
    """Where the feature vectors of an image's masks come from."""

    @property
    def described(self) -> str:
        """One line that says what they are."""

    def __call__(
        self, image: Image, results: Sequence[PlacedResult], masks: Sequence[Rle]
    ) -> NDArray[np.floating]:
        """(k, d) vectors of k masks of an image.

        Raises
        ------
        UnreadableImage
            When they are computed from the image and it cannot be read.
        """


class GivenFeatures:
    """Rows of a .npy file: row i belongs to entry i of the results file. The file stays on the disk.

    Raises
    ------
    InvalidFeatures
        When the file holds no rows of floats that fit into 16 bits.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._rows = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise InvalidFeatures(f"{file} is no array saved by numpy ({error})") from error
        shape, dtype = self._rows.shape, self._rows.dtype
        if len(shape) != 2 or not shape[1] or not np.issubdtype(dtype, np.floating):
            raise InvalidFeatures(f"{file} holds {dtype} of shape {shape}, not floats of shape (masks, d)")
        self._file = file
        self._check_values()

    def _check_values(self) -> None:
        for start in range(0, len(self._rows), CHECKED_AT_ONCE):
            some = np.abs(self._rows[start : start + CHECKED_AT_ONCE]).max(axis=1)
            bad = np.flatnonzero(~(some <= LARGEST))
            if len(bad):
                raise InvalidFeatures(
                    f"{self._file}: row {start + bad[0]} has a value that is not finite or beyond "
                    f"{LARGEST:.0f}. Only the proportions of distances count: scale all rows alike."
                )

    @property
    def described(self) -> str:
        """File and size of the vectors."""
        return f"{self._file.name}, {self._rows.shape[1]} dimensions"

    def check_length(self, entries: int) -> None:
        """Raise InvalidFeatures unless there is a row for each of the file's entries."""
        if len(self._rows) != entries:
            raise InvalidFeatures(
                f"{self._file} has {len(self._rows):,} rows for {entries:,} predictions: row i is of entry i"
            )

    def __call__(
        self,
        image: Image,  # noqa: ARG002
        results: Sequence[PlacedResult],
        masks: Sequence[Rle],  # noqa: ARG002
    ) -> NDArray[np.floating]:
        return np.asarray(self._rows[[result.row for result in results]])


class ComputedFeatures:
    """Vectors computed from the images, for predictions that come without."""

    def __init__(self, crops: CropFeatures) -> None:
        self._crops = crops

    @property
    def described(self) -> str:
        """What they are, and that they were computed here."""
        return f"{self._crops.name}, computed from the images"

    def __call__(
        self,
        image: Image,
        results: Sequence[PlacedResult],  # noqa: ARG002
        masks: Sequence[Rle],
    ) -> NDArray[np.floating]:
        picture = pixels(read_upright(image_source(image)))
        return self._crops.describe(picture, masks)


def computed_features(by: str = "auto") -> FeatureSource:
    """Vectors by a source of `pipeline.detection.crop_features`, or by the best that is installed.

    Raises
    ------
    CropFeaturesUnavailable
        When it was asked for by name and cannot be used here.
    """
    return ComputedFeatures(crop_features(by))
