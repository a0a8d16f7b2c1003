"""What a project's people choose about its model: the detector, its options, and K_pa."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation_site.catalog.calibrating import told
from annotation_site.catalog.detector_options import check_options
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.rounds import current_round
from pipeline.calibration import Calibration
from pipeline.detection import DETECTORS, UnknownDetector


class InvalidThreshold(ValueError):
    """A K_pa that is none."""


def choose_detector(*, project: Project, detector: str, options: Mapping[str, Any]) -> None:
    """Let the project's next training be of this detector; a model that is trained stays as it is.

    Parameters
    ----------
    options : as `catalog.detector_options` describes them; they take the place of those there were

    Raises
    ------
    UnknownDetector, InvalidOption
    """
    if detector not in DETECTORS:
        raise UnknownDetector(f"Unknown detector {detector!r}: choose from {', '.join(sorted(DETECTORS))}.")
    check_options(options, feature=project.feature)
    Project.objects.filter(pk=project.pk).update(detector=detector, detector_options=dict(options))
    project.refresh_from_db(fields=["detector", "detector_options"])


@transaction.atomic
def choose_k_pa(*, project: Project, k_pa: float | None) -> bool:
    """Set the project's own K_pa, and that of its current round unless people answer about it already.

    A round that was opened keeps the rules it was opened with.

    Parameters
    ----------
    k_pa : None leaves it to the calibration again

    Returns
    -------
    Whether it counts for the current round.

    Raises
    ------
    InvalidThreshold
    """
    if k_pa is not None and not 0 <= k_pa <= 1:
        raise InvalidThreshold(f"K_pa lies between 0 and 1; {k_pa} does not.")
    Project.objects.filter(pk=project.pk).update(k_pa=k_pa)
    project.k_pa = k_pa
    round_ = current_round(project)
    if is_open(round_):
        return False
    found = Calibration.from_json(round_.calibration) if round_.calibration else None
    calibrated = found.k_pa if found else None
    Round.objects.filter(pk=round_.pk).update(k_pa=calibrated if k_pa is None else k_pa)
    if found:
        StageRun.objects.filter(
            round=round_, stage=StageRun.Stage.CALIBRATE, state=StageRun.State.DONE
        ).update(message=told(found, k_pa)[:300])
    return True


def is_open(round_: Round) -> bool:
    """Whether the round's rules are fixed: people answer, or answered, questions about it."""
    return StageRun.objects.filter(
        round=round_, stage=StageRun.Stage.OPEN, state=StageRun.State.DONE
    ).exists()
