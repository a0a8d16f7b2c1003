"""The seam of detection: what any detector is given, what it returns, and what can go wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.options import FitOptions, PredictOptions
from pipeline.pictures import ImageSource
from pipeline.predictions import Predictions, Rle
from pipeline.progress import Progress, silent


class DetectionError(Exception):
    """Training or detection that cannot go on; the message says what to do."""


class NothingToLearn(DetectionError):
    """A training set without a single usable annotation."""


class WeightsUnavailable(DetectionError):
    """Pretrained weights that were asked for and cannot be had."""


class InvalidModel(DetectionError):
    """A model file that is missing, damaged, or of another detector."""


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image and the objects known in it.

    Attributes
    ----------
    source : where its pixels come from
    height, width : of the upright image, as its annotations have it
    categories : (k,) int32 COCO category ids
    masks : k RLEs of that height and width
    crowd : (k,) bool, regions of many objects: neither learnt nor taken as background
    ignored : RLEs that are not taken as background either, such as masks predicted but not accepted
    ignored_scores : their scores s, by which `FitOptions.ignored_score` chooses among them; none: all count
    sparse : whether the image may hold objects that are not annotated
    """

    source: ImageSource
    height: int
    width: int
    categories: NDArray[np.int32]
    masks: Sequence[Rle]
    crowd: NDArray[np.bool_]
    ignored: Sequence[Rle] = ()
    sparse: bool = False
    ignored_scores: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not len(self.categories) == len(self.masks) == len(self.crowd):
            raise ValueError(
                f"{self.source.name}: {len(self.categories)} categories, {len(self.masks)} masks and "
                f"{len(self.crowd)} crowd flags; one of each per object is needed."
            )
        if len(self.ignored_scores) not in (0, len(self.ignored)):
            raise ValueError(
                f"{self.source.name}: {len(self.ignored)} ignored masks and {len(self.ignored_scores)} "
                "scores; one for each is needed, or none."
            )
        wrong = [
            rle["size"] for rle in (*self.masks, *self.ignored) if rle["size"] != [self.height, self.width]
        ]
        if wrong:
            raise ValueError(
                f"{self.source.name}: a mask of {wrong[0]}, the image is {[self.height, self.width]}."
            )


@dataclass(frozen=True, slots=True)
class Step:
    """The training curve at one point: mean losses since the point before.

    Attributes
    ----------
    iteration : how many were done, from 1
    losses : name -> mean of each part of the loss; "total" is their sum
    learning_rate : at that iteration
    """

    iteration: int
    losses: dict[str, float]
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Training:
    """What a fit leaves behind.

    Attributes
    ----------
    model : the file that `Detector.load` reads; all that is needed to predict
    history : the training curve, also stored as JSON beside the model
    skipped : what was wrong with each image that could not be used, by name
    resumed_from : the iteration a checkpoint continued from, 0 for a fresh start
    """

    model: Path
    history: tuple[Step, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    resumed_from: int = 0


@dataclass(frozen=True, slots=True)
class Detection:
    """The outcome for one image: its predictions, or what was wrong with it.

    Attributes
    ----------
    source : the image
    predictions : sorted by class score, best first; None where the image could not be read
    problem : empty, or why there are none
    """

    source: ImageSource
    predictions: Predictions | None
    problem: str = ""


Watch = Callable[[Step], None]
"""Called with each point of a training curve, in order, those of before a resumption included."""


def unwatched(step: Step) -> None:
    """A training curve that nobody looks at while it grows."""


class Predictor(Protocol):
    """A trained detector, loaded and ready."""

    @property
    def category_ids(self) -> tuple[int, ...]:
        """The categories it was trained for."""

    def predict(self, images: Iterable[ImageSource], *, progress: Progress = silent) -> Iterator[Detection]:
        """Yield a Detection for every image, in order; memory does not grow with their number.

        An image that cannot be read costs itself only. The same images in the same order give the same
        result on the same machine.

        `progress` is called with the images done so far; its total is the number of images where `images`
        has a length, else 0. A StopRequested of it goes through between two batches.
        """


class Detector(Protocol):
    """A model architecture that can be trained: a row of DETECTORS."""

    @property
    def feature_kinds(self) -> tuple[str, ...]:
        """The kinds of feature vectors its predictors can give."""

    def fit(
        self,
        images: Sequence[AnnotatedImage],
        *,
        category_ids: Sequence[int],
        folder: Path,
        options: FitOptions,
        progress: Progress = silent,
        watch: Watch = unwatched,
    ) -> Training:
        """Train on annotated images, leaving model, training curve and checkpoints in `folder`.

        `watch` is given the curve's points while it trains. Called again with the same images, categories and
        options it continues from the last checkpoint, or returns at once when training was complete; called
        with others it starts afresh.

        Raises
        ------
        NothingToLearn
            When no image has an annotation of one of the categories.
        StopRequested
            When `progress` asks for it; a checkpoint is kept.
        """

    def load(self, model: Path, *, options: PredictOptions) -> Predictor:
        """The trained detector in a model file.

        Raises
        ------
        InvalidModel
            When the file is missing, damaged, or of another detector.
        """


def ignored_from(image: AnnotatedImage, score: float) -> list[Rle]:
    """The ignored masks of an image that count: those of at least that score, or whose score is not known."""
    scores = image.ignored_scores or [score] * len(image.ignored)
    return [rle for rle, its in zip(image.ignored, scores, strict=True) if its >= score]


def fingerprint(images: Iterable[AnnotatedImage], *extra: object) -> str:
    """A digest of what is learned from: the images' names, sizes and annotations, and `extra` by its repr."""
    digest = hashlib.sha256(repr(extra).encode())
    for image in images:
        facts = (image.source.name, image.height, image.width, image.sparse, tuple(image.ignored_scores))
        digest.update(repr(facts).encode())
        digest.update(image.categories.astype(np.int64).tobytes() + image.crowd.tobytes())
        for rle in (*image.masks, b"", *image.ignored):
            digest.update(rle["counts"] if isinstance(rle, dict) else b"|")
    return digest.hexdigest()


def check_learnable(images: Sequence[AnnotatedImage], category_ids: Sequence[int]) -> None:
    """Raise NothingToLearn unless some object of the categories is annotated."""
    for image in images:
        if np.any(np.isin(image.categories, category_ids) & ~image.crowd):
            return
    raise NothingToLearn(
        f"None of {len(images)} images has an annotation of categories {list(category_ids)}: "
        "import annotated images with role initial first."
    )
