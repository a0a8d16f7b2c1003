"""The stage that predicts masks: shard by shard, shared by as many processes as want to help."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from annotation_site.catalog.claims import Claims
from annotation_site.catalog.detector_options import agreed_options, detector_options, kept_options
from annotation_site.catalog.models import DetectionShard, Project, Round, StageRun
from annotation_site.catalog.shards import (
    PREDICTED_ROLES,
    SHARD_IMAGES,
    Failure,
    claimed_shard,
    images_done,
    images_of,
    plan_shards,
    store_shard,
    unfinished_shards,
)
from annotation_site.catalog.sources import image_source
from annotation_site.catalog.storage import local_copy
from pipeline.detection import PredictOptions, Predictor, get_detector
from pipeline.predictions import Predictions
from pipeline.progress import Progress, silent

LOOK_AGAIN = 0.5
"""Seconds until a process that has no shard left looks whether the others finished theirs."""


class NoModel(Exception):
    """There is nothing to detect with."""


class NothingToDetect(Exception):
    """The project has no images to detect on."""


def detect(
    round_: Round,
    report: Progress,
    *,
    clock: Callable[[], datetime] = timezone.now,
    shard_images: int = SHARD_IMAGES,
    **overrides: Any,
) -> None:
    """Predict on every held-out and pool image; the work of the detect stage.

    Raises
    ------
    NoModel, NothingToDetect
        When training or importing has to come first.
    """
    for role in PREDICTED_ROLES:
        plan_shards(round_, role, size=shard_images)
    if not images_done(round_)[1]:
        slug = round_.project.slug
        raise NothingToDetect(f"{slug} has no images of role pool: `manage.py import_images {slug} DIR`.")
    begun = images_done(round_)[0] > 0
    predict_options(round_.project, **agreed_options(round_, StageRun.Stage.DETECT, overrides, begun=begun))
    with kept_options(round_, StageRun.Stage.DETECT, overrides):
        while unfinished_shards(round_).exists():
            work_through_shards(round_, report, clock=clock, **overrides)
            if unfinished_shards(round_).exists():  # Others are at them; when one dies, its shard is ours.
                report(*images_done(round_), "Waiting for other processes")
                threading.Event().wait(LOOK_AGAIN)
    Round.objects.filter(pk=round_.pk).update(feature_source=f"features of {round_.detector}")
    round_.refresh_from_db()
    report(*images_done(round_), _summary(round_))


def work_through_shards(
    round_: Round, report: Progress, *, clock: Callable[[], datetime] = timezone.now, **overrides: Any
) -> int:
    """Predict on shards that nobody else works on until none is left; how many. Any process may join in."""
    agreed = agreed_options(round_, StageRun.Stage.DETECT, overrides, begun=True)
    load = cache(lambda: load_predictor(round_, **agreed))
    finished = 0
    with Claims() as claims:
        while True:
            with claimed_shard(claims, round_) as shard:
                if shard is None:
                    return finished
                detect_shard(shard, load(), at=clock(), progress=_within(round_, report))
                finished += 1


def detect_shard(
    shard: DetectionShard, predictor: Predictor, *, at: datetime, progress: Progress = silent
) -> None:
    """Predict on the images of one shard and store it. An image that cannot be read costs itself only."""
    images = list(images_of(shard))
    predictions: dict[int, Predictions] = {}
    failures: list[Failure] = []
    found = predictor.predict([image_source(image) for image in images], progress=progress)
    for image, detection in zip(images, found, strict=True):
        if detection.predictions is None:
            failures.append(Failure(image=image.name, reason=detection.problem))
        else:
            predictions[image.pk] = detection.predictions
    store_shard(shard, predictions, failures=failures, at=at)


def load_predictor(round_: Round, **overrides: Any) -> Predictor:
    """The round's trained model, ready to predict on this machine.

    Raises
    ------
    NoModel
        When none was trained.
    """
    project = round_.project
    if not round_.checkpoint:
        raise NoModel(f"{project.slug} has no trained model: run `manage.py train {project.slug}` first.")
    options = predict_options(project, **overrides)
    with local_copy(round_.checkpoint) as model:
        return get_detector(round_.detector or project.detector).load(model, options=options)


def predict_options(project: Project, **overrides: Any) -> PredictOptions:
    """How the project's detector predicts, with a command's own options on top."""
    return detector_options(
        PredictOptions, {"min_confidence": project.confidence, **project.detector_options}, **overrides
    )


def _within(round_: Round, report: Progress) -> Progress:
    """Progress of one shard as progress of the stage."""
    before, all_images = images_done(round_)

    def progress(done: int, total: int, message: str = "") -> None:
        report(before + done, all_images, message or f"Detecting masks in {total} images")

    return progress


def _summary(round_: Round) -> str:
    shards = DetectionShard.objects.filter(round=round_)
    failed = sum(len(failures) for failures in shards.values_list("failures", flat=True))
    said = f"{shards.aggregate(n=Sum('masks'))['n'] or 0:,} masks"
    return f"{said}, {failed:,} images could not be read" if failed else said
