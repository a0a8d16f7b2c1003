"""Predictions that somebody uploaded and that wait to be a round's own: until they are, nothing else is."""

from __future__ import annotations

from annotation_site.catalog.models import OfferedPredictions, Round
from annotation_site.catalog.reporting import StageError


class OfferChanged(StageError):
    """Predictions were uploaded, withdrawn or replaced since a process looked what there is to do."""


def offered(round_: Round) -> OfferedPredictions | None:
    """What waits to be the round's predictions."""
    return OfferedPredictions.objects.filter(round=round_).select_related("round__project").first()


def check_nothing_offered(round_: Round) -> None:
    """Raise OfferChanged when predictions wait to be the round's; for who has claimed its detection."""
    if OfferedPredictions.objects.filter(round=round_).exists():
        slug = round_.project.slug
        raise OfferChanged(
            f"Predictions were uploaded for {round_}: they take the place of detecting here. Take them in by"
            f" `manage.py run_pipeline {slug} --until detect`, or withdraw them on the page Model."
        )
