"""Detectors tried on generated scenes, whose truth is exact: what learns, what is seen, how good it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import coco, masks
from pipeline.coco import CocoAnnotation, CocoImage
from pipeline.detection import AnnotatedImage, FitOptions, PredictOptions, Predictor, get_detector
from pipeline.experiments.triplets import Triplets
from pipeline.metrics import best_ious
from pipeline.pictures import ImageSource
from pipeline.predictions import FEATURE_KINDS, Predictions
from pipeline.progress import Progress, silent
from pipeline.scenes import SceneOptions, write_scenes

Floats = NDArray[np.float32]


class NothingSeen(ValueError):
    """A detector that predicted nothing: it has not learnt enough to be measured."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Where and on what detectors are tried.

    Attributes
    ----------
    folder : of scenes and models; models that are there are not trained again
    images : of each role
    detector : its name in DETECTORS
    options : of its training, as `FitOptions.from_mapping` reads them
    seed : of the scenes, and of the training unless `options` say otherwise
    scenes : what they look like
    """

    folder: Path
    images: Mapping[str, int]
    detector: str = "maskrcnn-small"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    scenes: SceneOptions = field(default_factory=SceneOptions)
    progress: Progress = silent

    @property
    def category_ids(self) -> tuple[int, ...]:
        return tuple(range(1, len(self.scenes.categories) + 1))

    def paint(self) -> dict[str, list[AnnotatedImage]]:
        """The images of each role, with their whole truth."""
        counts = "-".join(str(count) for count in self.images.values())
        painted = write_scenes(
            self.folder / f"scenes-{self.seed}-{counts}",
            seed=self.seed,
            counts=self.images,
            options=self.scenes,
            progress=self.progress,
        )
        return {role: list(read_annotated(one.annotations, one.images)) for role, one in painted.items()}

    def train(self, images: Sequence[AnnotatedImage], *, name: str) -> Predictor:
        """A detector that learnt from these images, ready to predict."""
        detector = get_detector(self.detector)
        training = detector.fit(
            images,
            category_ids=self.category_ids,
            folder=self.folder / f"{self.detector}-{self.seed}-{name}",
            options=FitOptions.from_mapping({"seed": self.seed, **self.options}),
            progress=self.progress,
        )
        return detector.load(training.model, options=PredictOptions())


@dataclass(frozen=True, slots=True)
class Seen:
    """n predictions whose truth is known, one row each.

    Attributes
    ----------
    features : kind -> (n, d) float32
    class_scores, predicted_ious, ious : (n,) float32 in [0, 1]; the last of the best object of the category
    categories : (n,) int32
    """

    features: Mapping[str, Floats]
    class_scores: Floats
    predicted_ious: Floats
    ious: Floats
    categories: NDArray[np.int32]

    @property
    def scores(self) -> Floats:
        """(n,) s = class score x predicted IoU."""
        return self.class_scores * self.predicted_ious

    def by_class(self, kind: str) -> Iterator[Triplets]:
        """The predictions of each category with features of a kind."""
        for category in np.unique(self.categories):
            rows = self.categories == category
            yield Triplets(self.features[kind][rows], self.scores[rows], self.ious[rows])


def see(predictor: Predictor, images: Sequence[AnnotatedImage], *, progress: Progress = silent) -> Seen:
    """Predict on images whose truth is known.

    Raises
    ------
    NothingSeen
    """
    found: list[Predictions] = []
    ious: list[NDArray[np.float64]] = []
    detections = predictor.predict([image.source for image in images], progress=progress)
    for image, detection in zip(images, detections, strict=True):
        if detection.predictions is not None:
            found.append(detection.predictions)
            ious.append(true_ious(detection.predictions, image))
    if not sum(len(one) for one in found):
        raise NothingSeen(f"The detector predicted nothing on {len(images)} images: let it learn longer.")
    everything = Predictions.concatenate(found)
    return Seen(
        features={kind: everything.features[kind].astype(np.float32) for kind in FEATURE_KINDS},
        class_scores=everything.class_scores,
        predicted_ious=everything.predicted_ious,
        ious=np.concatenate(ious).astype(np.float32),
        categories=everything.categories,
    )


def true_ious(predictions: Predictions, image: AnnotatedImage) -> NDArray[np.float64]:
    """(k,) IoU of each prediction with the best object of its category in the image."""
    best = np.zeros(len(predictions))
    for category in np.unique(predictions.categories):
        rows = np.flatnonzero(predictions.categories == category)
        objects = [image.masks[row] for row in np.flatnonzero(image.categories == category).tolist()]
        best[rows] = best_ious([predictions.masks[row] for row in rows], objects)
    return best


def read_annotated(annotations: Path, images: Path) -> Iterator[AnnotatedImage]:
    """The images of a COCO file with their annotations, in the file's order."""
    of_image: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in coco.read_annotations(annotations):
        of_image[annotation.image_id].append(annotation)
    for image in coco.read_images(annotations):
        yield _annotated(image, of_image[image.id], images)


def _annotated(image: CocoImage, objects: Sequence[CocoAnnotation], folder: Path) -> AnnotatedImage:
    height, width = image.height or 0, image.width or 0
    return AnnotatedImage(
        source=ImageSource.from_path(folder / image.file_name),
        height=height,
        width=width,
        categories=np.array([one.category_id for one in objects], np.int32),
        masks=[masks.from_coco(one.segmentation, height=height, width=width) for one in objects],
        crowd=np.array([one.iscrowd for one in objects], bool),
    )
