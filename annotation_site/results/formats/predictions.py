"""Predictions on held-out images, with their features and their truth; see `catalog.known_predictions`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from annotation_site.catalog.known_predictions import NothingKnown, save_known_predictions
from annotation_site.catalog.models import Project
from annotation_site.results.formats.choice import Choice
from pipeline.progress import Progress


def write(project: Project, choice: Choice, path: Path, _at: datetime, progress: Progress) -> int:
    """Those of the round that is chosen, else of the latest one: what `manage.py export_predictions` writes.

    Raises
    ------
    NothingKnown
        When there is no such round, or nothing was predicted on its annotated held-out images.
    FeaturesMissing
        When the predictions lack the project's kind of features.
    """
    rounds = project.rounds.order_by("-number")
    if choice.round_number is not None:
        rounds = rounds.filter(number=choice.round_number)
    round_ = rounds.first()
    if round_ is None:
        which = "round" if choice.round_number is None else f"round {choice.round_number}"
        raise NothingKnown(f"{project.slug} has no {which}: train and detect first.")
    return len(save_known_predictions(round_, path, progress=progress))
