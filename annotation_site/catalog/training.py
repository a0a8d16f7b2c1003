"""The stage that trains a detector on what is known, and checks it on the held-out images.

The first round learns from the initial images, later ones also from the masks accepted before them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from annotation_site.catalog.detector_options import agreed_options, detector_options, kept_options
from annotation_site.catalog.models import Annotation, Image, Project, Role, Round, StageRun
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.sources import image_source
from annotation_site.catalog.sparse_images import sparse_images
from annotation_site.catalog.storage import local_folder, round_folder
from pipeline.batches import in_batches
from pipeline.detection import AnnotatedImage, FitOptions, PredictOptions, Step, Training, get_detector
from pipeline.detection.validation import Validation, validate

VALIDATED_IMAGES = 200
"""Held-out images that the model is checked on after training; enough for two digits."""

READ_AT_ONCE = 2000


def train(round_: Round, report: Reporter, *, detector: str | None = None, **overrides: Any) -> None:
    """Train the round's detector, or go on from its last checkpoint; the work of the train stage.

    Parameters
    ----------
    detector : a name of `pipeline.detection.DETECTORS`; default: the project's
    overrides : options that take the place of the project's `detector_options`; kept for when it goes on
    """
    project = round_.project
    given = overrides | ({"detector": detector} if detector else {})
    agreed = agreed_options(round_, StageRun.Stage.TRAIN, given, begun=False)
    name = agreed.pop("detector", round_.detector or project.detector)
    options = detector_options(
        FitOptions, {"seed": project.seed % 2**31, **project.detector_options}, **agreed
    )
    folder = model_folder(round_)
    report(0, options.iterations or 0, "Reading annotations")
    with local_folder(folder) as local, kept_options(round_, StageRun.Stage.TRAIN, given):
        training = get_detector(name).fit(
            list(learned_images(round_)),
            category_ids=category_ids(project),
            folder=local.path,
            options=options,
            progress=local.keeping(report),
            watch=Curve(report),
        )
        checkpoint = f"{folder}/{training.model.relative_to(local.path)}"
        Round.objects.filter(pk=round_.pk).update(detector=name, checkpoint=checkpoint)
        round_.refresh_from_db()
        _note(report, training)
        _check(round_, report, training, **overrides)


def model_folder(round_: Round) -> str:
    """Where the round's model and its checkpoints are, in the artifacts storage."""
    return f"{round_folder(round_)}/model"


def learned_images(round_: Round) -> Iterator[AnnotatedImage]:
    """The initial images, and pool images with the objects that earlier rounds accepted."""
    yield from annotated_images(round_.project, Role.INITIAL)
    yield from sparse_images(round_)


def category_ids(project: Project) -> list[int]:
    """COCO ids of the project's categories, ascending."""
    return list(project.categories.order_by("coco_id").values_list("coco_id", flat=True))


def annotated_images(
    project: Project, role: Role, *, limit: int | None = None, only: Collection[int] | None = None
) -> Iterator[AnnotatedImage]:
    """Images of a role with their annotations, by id; `only` some, by their primary keys."""
    images = project.images.filter(role=role).order_by("id")
    images = images[:limit] if only is None else images.filter(pk__in=only)[:limit]
    for some in in_batches(images.iterator(READ_AT_ONCE), READ_AT_ONCE):
        known: dict[int, list[Annotation]] = {image.pk: [] for image in some}
        annotations = Annotation.objects.filter(image__in=known).select_related("category").order_by("id")
        for annotation in annotations.iterator(READ_AT_ONCE):
            known[annotation.image_id].append(annotation)
        yield from (_annotated(image, known[image.pk]) for image in some)


def _annotated(image: Image, annotations: Sequence[Annotation]) -> AnnotatedImage:
    return AnnotatedImage(
        source=image_source(image),
        height=image.height,
        width=image.width,
        categories=np.array([annotation.category.coco_id for annotation in annotations], np.int32),
        masks=[{"size": [image.height, image.width], "counts": bytes(a.counts)} for a in annotations],
        crowd=np.array([annotation.is_crowd for annotation in annotations], bool),
    )


class Curve:
    """A training curve that is left to look at while it grows: some hundred points, all of them each time."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._points: list[dict[str, Any]] = []

    def __call__(self, point: Step) -> None:
        self._points.append(_point(point))
        self._report.note(losses=list(self._points))


def _note(report: Reporter, training: Training) -> None:
    report.note(
        losses=[_point(point) for point in training.history],
        skipped_images=training.skipped,
        resumed_from=training.resumed_from,
    )


def _point(point: Step) -> dict[str, Any]:
    """One point of the curve as JSON, which has no NaN."""
    losses = {name: value if math.isfinite(value) else None for name, value in point.losses.items()}
    return {"iteration": point.iteration, "learning_rate": point.learning_rate, **losses}


def _check(
    round_: Round, report: Reporter, training: Training, *, device: str | None = None, **_: Any
) -> None:
    """Note how good the model is on held-out images."""
    project = round_.project
    end = training.history[-1].iteration if training.history else 1
    options = detector_options(
        PredictOptions, {**project.detector_options, "min_confidence": project.confidence}, device=device
    )
    predictor = get_detector(round_.detector).load(training.model, options=options)
    images = list(annotated_images(project, Role.HELDOUT, limit=VALIDATED_IMAGES))
    if not images:
        report(end, end, "Trained; no held-out images to check it on")
        return

    def progress(done: int, total: int, message: str = "") -> None:
        report(end, end, message or f"Checking on held-out images: {done} of {total}")

    found = validate(predictor, images, k_iou=project.k_iou, progress=progress)
    report.note(validation=found.to_json())
    report(end, end, _told(found))


def _told(found: Validation) -> str:
    return f"Trained; AP50 {found.ap50:.2f} and AP75 {found.ap75:.2f} on {found.images} held-out images"
