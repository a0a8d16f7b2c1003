"""The stage that learns from the held-out trees how far scores can be trusted: P_h, P_l and K_pa (Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.models import Mask, Role, Round, Tree
from annotation_site.catalog.reporting import Reporter
from pipeline.calibration import Calibration, calibrate
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram


def calibrate_round(round_: Round, report: Reporter) -> Calibration:
    """Calibrate on the round's held-out trees; the work of the calibrate stage.

    A K_pa that the project sets itself is used as it is; the calibration is stored beside it all the same.
    """
    project = round_.project
    trees = Tree.objects.filter(round=round_, role=Role.HELDOUT).order_by("category_id")
    thresholds = Thresholds(k_iou=project.k_iou, k_a=project.k_a)
    found = calibrate(_with_correctness(trees.count(), trees.iterator(1), report, project.k_iou), thresholds)
    k_pa = found.k_pa if project.k_pa is None else project.k_pa
    Round.objects.filter(pk=round_.pk).update(calibration=found.to_json(), k_pa=k_pa)
    round_.refresh_from_db()
    report.note(warning="" if project.k_pa is not None else found.warning)
    report(trees.count(), trees.count(), told(found, project.k_pa))
    return found


def _with_correctness(
    count: int, trees: Iterator[Tree], report: Reporter, k_iou: float
) -> Iterator[tuple[Dendrogram, NDArray[np.bool_]]]:
    for done, tree in enumerate(trees):
        report(done, count, "Calibrating on held-out images")
        yield Dendrogram.from_bytes(tree.packed), leaf_ious(tree) >= k_iou


def leaf_ious(tree: Tree) -> NDArray[np.float64]:
    """(n,) IoU of a held-out tree's masks with the ground truth, in leaf order."""
    stored = Mask.objects.filter(tree=tree).order_by("position").values_list("iou", flat=True)
    return np.fromiter(stored.iterator(10_000), np.float64, count=tree.n)


def told(found: Calibration, own: float | None) -> str:
    """What the stage says: K_pa, and whether the calibration or the project chose it."""
    if own is not None:
        return f"K_pa is {own:.2f}, as the project has it (calibrated: {found.k_pa:.2f})"
    why = f". {found.warning}" if found.warning else ", calibrated on held-out images"
    return f"K_pa is {found.k_pa:.2f}{why}"
