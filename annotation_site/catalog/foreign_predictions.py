"""Masks of any other model, from a COCO results file, in place of training and detection here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from django.utils import timezone

from annotation_site.catalog.discarding import discard_shards
from annotation_site.catalog.foreign_features import FeatureSource, GivenFeatures
from annotation_site.catalog.import_report import ImportReport, Kind, Listener, unheard
from annotation_site.catalog.models import DetectionShard, Image, Project, Round, StageRun
from annotation_site.catalog.originals import digest
from annotation_site.catalog.placing import placing
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import (
    PREDICTED_ROLES,
    Failure,
    images_done,
    images_of,
    plan_shards,
    store_shard,
    unfinished_shards,
)
from annotation_site.catalog.stages import run_stage
from annotation_site.catalog.waiting_offers import check_nothing_offered
from pipeline import masks
from pipeline.coco import CocoResult, MalformedItem, read_results
from pipeline.coco_results import PlacedResult, ResultsByImage
from pipeline.masks import EmptyMask, InvalidMask
from pipeline.pictures import UnreadableImage
from pipeline.predictions import Predictions, Rle
from pipeline.progress import Progress, silent

TOLD_EVERY = 10_000
"""Entries read between two reports."""


class OtherPredictions(ValueError):
    """The round has predictions already, and others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the stage stands, and what was taken and left out."""

    run: StageRun
    report: ImportReport


def import_predictions(
    *,
    project: Project,
    results: Path,
    features: FeatureSource,
    images: Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    listener: Listener = unheard,
    clock: Callable[[], datetime] = timezone.now,
) -> Outcome:
    """Take the predictions of the current round from a file; the same ones again change nothing.

    Parameters
    ----------
    features : gives the vectors that the masks are clustered by
    images : COCO file that says which file names the results' image ids mean; else they are the project's
    force : put these in the place of the round's predictions and of all that rests on them

    Raises
    ------
    OtherPredictions
        When the round has others and `force` is not set.
    OfferChanged
        When predictions that somebody uploaded wait to be taken in.
    StageError
        When another process is at it, the round is open, or something failed; finished shards are kept.
    """
    round_ = current_round(project)
    check_nothing_offered(round_)
    report = ImportReport(listener=listener)
    origin = origin_of(results, features)
    if not force:
        _check_not_another(round_, origin)
    work = ForeignDetection(round_, results, features, images, origin, report, clock)

    def afresh() -> bool:
        check_nothing_offered(round_)
        return force

    detection = StageRun.Stage.DETECT
    run = run_stage(round_, detection, work, force=afresh, needs_earlier=False, also=progress, clock=clock)
    return Outcome(run, report)


def origin_of(results: Path, features: FeatureSource) -> str:
    """By what predictions are known again: the file's name and content, and the vectors."""
    return f"{results.name} {digest(results)} {features.described}"


def _check_not_another(round_: Round, origin: str) -> None:
    done = StageRun.objects.filter(
        round=round_, stage=StageRun.Stage.DETECT, state=StageRun.State.DONE
    ).first()
    if done and done.detail.get("origin") != origin:
        slug = round_.project.slug
        told = round_.feature_source or "a detector"
        raise OtherPredictions(
            f"Round {round_.number} of {slug} has predictions ({told}); force replaces them."
        )


@dataclass(frozen=True, slots=True)
class ForeignDetection:
    """The work of the detect stage when the masks come from a file: shard by shard, finished ones skipped."""

    round: Round
    results: Path
    features: FeatureSource
    images: Path | None
    origin: str
    report: ImportReport
    clock: Callable[[], datetime]

    def __call__(self, reporter: Reporter) -> None:
        """Carry it out; what was left out is noted however it ends."""
        try:
            self._carry_out(reporter)
        finally:
            reporter.note(left_out=self.report.to_json())

    def _carry_out(self, reporter: Reporter) -> None:
        self._forget_others(reporter)
        with ResultsByImage() as results:
            self._read(results, reporter)
            for role in PREDICTED_ROLES:
                plan_shards(self.round, role)
            for shard in unfinished_shards(self.round):
                reporter(*images_done(self.round), "Storing masks")
                self._store(shard, results)
        source = f"{self.results.name}; features: {self.features.described}"
        Round.objects.filter(pk=self.round.pk).update(detector="", checkpoint="", feature_source=source[:200])
        reporter(*images_done(self.round), self._summary())

    def _forget_others(self, reporter: Reporter) -> None:
        """Shards that an unfinished import of another file left are no part of this one."""
        run = StageRun.objects.get(round=self.round, stage=StageRun.Stage.DETECT)
        if run.detail.get("origin") != self.origin:
            discard_shards(self.round)
        reporter.note(origin=self.origin)

    def _read(self, results: ResultsByImage, reporter: Reporter) -> None:
        with placing(self.round.project, self.results, self.images) as place:
            results.add(place.placed(self._entries(reporter), self.report))
        results.finish()

    def _entries(self, reporter: Reporter) -> Iterator[CocoResult]:
        """The file's entries, counted and checked against the vectors at their end."""
        unreadable = 0

        def problem(malformed: MalformedItem) -> None:
            nonlocal unreadable
            unreadable += 1
            self.report.add(Kind.MALFORMED_ITEM, str(malformed))

        count = 0
        for count, result in enumerate(read_results(self.results, problem=problem), start=1):
            if count % TOLD_EVERY == 0:
                reporter(0, 0, f"{count:,} predictions read")
            yield result
        if isinstance(self.features, GivenFeatures):
            self.features.check_length(count + unreadable)

    def _store(self, shard: DetectionShard, results: ResultsByImage) -> None:
        images = {image.pk: image for image in images_of(shard)}
        predictions: dict[int, Predictions] = {}
        failures: list[Failure] = []
        for pk, listed in results.within(shard.first_image, shard.last_image):
            if pk not in images:  # of the other role: the ids of both roles may interleave
                continue
            try:
                predictions[pk] = self._predictions(images[pk], listed)
            except UnreadableImage as error:
                failures.append(Failure(image=images[pk].name, reason=str(error)))
        store_shard(shard, predictions, failures=failures, at=self.clock())

    def _predictions(self, image: Image, listed: Sequence[PlacedResult]) -> Predictions:
        read = [(result, mask) for result in listed if (mask := self._mask(image, result)) is not None]
        results, rles = [result for result, _ in read], [mask for _, mask in read]
        self.report.taken["masks"] += len(rles)
        return Predictions(
            categories=np.array([result.category for result in results], np.int32),
            boxes=masks.boxes(rles).astype(np.float32),
            class_scores=np.array([result.score for result in results], np.float32),
            predicted_ious=np.array([result.predicted_iou for result in results], np.float32),
            masks=rles,
            features={self.round.project.feature: self.features(image, results, rles)},
        )

    def _mask(self, image: Image, result: PlacedResult) -> Rle | None:
        name = f"result {result.row} of {image.name}"
        try:
            return masks.from_coco(result.segmentation, height=image.height, width=image.width)
        except EmptyMask as error:
            self.report.add(Kind.OUTSIDE, name, str(error))
        except InvalidMask as error:
            self.report.add(Kind.INVALID_MASK, name, str(error))
        return None

    def _summary(self) -> str:
        shards = self.round.shards.all()
        failed = sum(len(failures) for failures in shards.values_list("failures", flat=True))
        told = f"{sum(shards.values_list('masks', flat=True)):,} masks from {self.results.name}"
        return f"{told}, {failed:,} images could not be read" if failed else told
