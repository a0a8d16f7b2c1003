"""Predictions of another model that somebody uploads: kept until a worker has made them the round's own.

Until then the round's next stage is to take them in, whatever it was before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.base import File
from django.db import transaction

from annotation_site.catalog.discarding import discard_shards
from annotation_site.catalog.foreign_features import FeatureSource, GivenFeatures, computed_features
from annotation_site.catalog.foreign_predictions import ForeignDetection, OtherPredictions, origin_of
from annotation_site.catalog.import_report import ImportReport
from annotation_site.catalog.models import OfferedPredictions, Project, Round, StageRun
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import (
    Stage,
    State,
    check_not_open,
    nobody_at,
    run_stage,
)
from annotation_site.catalog.storage import delete_artifacts, local_copy, round_folder, writing
from annotation_site.catalog.waiting_offers import OfferChanged, check_nothing_offered, offered
from pipeline.detection.crop_features import CROP_FEATURES
from pipeline.progress import Progress, silent

__all__ = [
    "Offer",
    "OfferChanged",
    "OfferRefused",
    "check_nothing_offered",
    "offer_predictions",
    "offered",
    "take_offered",
    "withdraw_offer",
]

LONGEST_NAME = 100
COMPUTED_BY = ("auto", *CROP_FEATURES)
MAGIC = b"\x93NUMPY"
AT_PREDICTIONS = (Stage.DETECT, Stage.CLUSTER, Stage.CALIBRATE)
"""The stages that make a round's predictions, or read all of them."""


class OfferRefused(ValueError):
    """Files that cannot be predictions; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody uploads.

    Attributes
    ----------
    results : COCO results
    features : a .npy whose row i belongs to entry i; None: they are computed from the images
    images : COCO file that says which file names the results' image ids mean; None: the ids are the project's
    computed_by : of `COMPUTED_BY`, where no features are given
    """

    results: File[bytes]
    features: File[bytes] | None = None
    images: File[bytes] | None = None
    computed_by: str = "auto"

    def files(self) -> dict[str, File[bytes]]:
        """Those that there are, by what they are."""
        given = {"results": self.results, "features": self.features, "images": self.images}
        return {name: file for name, file in given.items() if file is not None}


def offer_predictions(
    *, project: Project, offer: Offer, replace: bool, by: Any, at: datetime
) -> OfferedPredictions:
    """Keep uploaded files for a worker to take in as the predictions of the current round.

    An earlier offer that nobody is at is forgotten. The files go from stream to stream, whatever their size.

    Parameters
    ----------
    replace : put them in the place of the round's predictions and of all that rests on them
    by : the user, None for nobody in particular

    Raises
    ------
    OfferRefused
        When a file cannot be what it is given as.
    OtherPredictions
        When the round has predictions and `replace` is not set.
    StageError
        When the round is open, or a process is at its predictions.
    """
    round_ = current_round(project)
    _check_files(offer)
    with _free(round_):
        _check_replaces(round_, replace=replace)
    folder = f"{round_folder(round_)}/offered/{uuid4().hex}"
    names = {what: _stored_name(what, file) for what, file in offer.files().items()}
    try:
        for what, file in offer.files().items():
            _keep(file, f"{folder}/{names[what]}")
        with _free(round_), transaction.atomic():
            Round.objects.select_for_update(no_key=True).get(pk=round_.pk)
            _check_replaces(round_, replace=replace)  # Some may have been made while the files came in.
            _forget(round_)
            return OfferedPredictions.objects.create(
                round=round_,
                folder=folder,
                computed_by=offer.computed_by,
                replaces=replace,
                size=sum(file.size for file in offer.files().values()),
                offered_by=by,
                offered_at=at,
                **names,
            )
    except BaseException:
        delete_artifacts(folder)
        raise


def withdraw_offer(round_: Round) -> None:
    """Forget an offer with its files and what was taken in of it; predictions it did not replace yet stay.

    Workers leave the round alone from then on: what they were to do with the offer is not done without it.
    One that nobody has begun to take in goes also where the round was opened meanwhile.

    Raises
    ------
    StageBusy
        While a process is at it.
    RoundIsOpen
        Where some of it is taken in, and people are asked.
    """
    with nobody_at(round_, *AT_PREDICTIONS), transaction.atomic():
        Round.objects.select_for_update(no_key=True).get(pk=round_.pk)
        if OfferedPredictions.objects.filter(round=round_, begun_at__isnull=False).exists():
            check_not_open(round_)
        if _forget(round_):
            Round.objects.filter(pk=round_.pk).update(carry_on_to="")


def _forget(round_: Round) -> bool:
    """Forget an offer that nobody is at; whether there was one. The caller's transaction holds the round."""
    offer = offered(round_)
    if offer is None:
        return False
    offer.delete()
    if offer.begun_at is not None:
        discard_shards(round_)
        StageRun.objects.filter(round=round_, stage=Stage.DETECT).update(
            state=State.WAITING, done=0, total=0, message="", error="", detail={}
        )
    transaction.on_commit(lambda: delete_artifacts(offer.folder))
    return True


def take_offered(offer: OfferedPredictions, *, also: Progress = silent) -> StageRun:
    """Make an offer the round's predictions; the work of the detect stage in the place of a detector's.

    Raises
    ------
    OfferChanged
        When it was withdrawn or replaced meanwhile; nothing was changed.
    StageError
        See `catalog.stages.run_stage`.
    """

    def afresh() -> bool:
        now = OfferedPredictions.objects.filter(pk=offer.pk).first()
        if now is None:
            raise OfferChanged(f"{offer.results} was withdrawn or replaced before it was taken in.")
        return now.replaces and now.begun_at is None

    def work(report: Reporter) -> None:
        OfferedPredictions.objects.filter(pk=offer.pk, begun_at=None).update(begun_at=report.clock())
        _take(offer, report)

    run = run_stage(offer.round, Stage.DETECT, work, force=afresh, needs_earlier=False, also=also)
    if run.state == State.DONE:
        OfferedPredictions.objects.filter(pk=offer.pk).delete()
        delete_artifacts(offer.folder)
    return run


def _take(offer: OfferedPredictions, report: Reporter) -> None:
    with _local_files(offer) as files:
        features: FeatureSource = (
            GivenFeatures(files["features"]) if "features" in files else computed_features(offer.computed_by)
        )
        ForeignDetection(
            round=offer.round,
            results=files["results"],
            features=features,
            images=files.get("images"),
            origin=origin_of(files["results"], features),
            report=ImportReport(),
            clock=report.clock,
        )(report)


@contextmanager
def _local_files(offer: OfferedPredictions) -> Iterator[dict[str, Path]]:
    with ExitStack() as stack:
        yield {
            what: stack.enter_context(local_copy(f"{offer.folder}/{name}"))
            for what in ("results", "features", "images")
            if (name := getattr(offer, what))
        }


def _check_replaces(round_: Round, *, replace: bool) -> None:
    """Raise OtherPredictions when the round has predictions that an offer is not to replace."""
    if not replace and StageRun.objects.filter(round=round_, stage=Stage.DETECT, state=State.DONE).exists():
        slug = round_.project.slug
        raise OtherPredictions(
            f"Round {round_.number} of {slug} has predictions already: say that these replace them."
        )


@contextmanager
def _free(round_: Round) -> Iterator[None]:
    """Keep everybody away from the predictions, which nobody is at and nobody was asked about."""
    check_not_open(round_)
    with nobody_at(round_, *AT_PREDICTIONS):
        yield


def _check_files(offer: Offer) -> None:
    if offer.computed_by not in COMPUTED_BY:
        raise OfferRefused(f"Features are computed by one of {', '.join(COMPUTED_BY)}.")
    for what in ("results", "images"):
        file = offer.files().get(what)
        if file is not None and _begins(file).lstrip()[:1] not in (b"[", b"{"):
            raise OfferRefused(f"{file.name} is no JSON: it begins with neither [ nor {{.")
    if offer.features is not None and not _begins(offer.features).startswith(MAGIC):
        raise OfferRefused(f"{offer.features.name} is no array saved by numpy (.npy).")


def _begins(file: File[bytes]) -> bytes:
    file.seek(0)
    begins: bytes = file.read(64)
    return begins.removeprefix(b"\xef\xbb\xbf")


def _stored_name(what: str, file: File[bytes]) -> str:
    """The file's own name as far as any storage takes it, told apart from the others'."""
    stem = re.sub(r"[^\w.-]+", "-", Path(file.name or what).stem)[-LONGEST_NAME:].strip(".-")
    ending = ".npy" if what == "features" else ".json"
    return f"{stem or what}{ending}" if what == "results" else f"{what}-{stem}"[:LONGEST_NAME] + ending


def _keep(file: File[bytes], name: str) -> None:
    file.seek(0)
    with writing(name) as kept:
        for chunk in file.chunks():
            kept.write(chunk)
