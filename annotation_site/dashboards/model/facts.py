"""What the model page tells of a round: its stages, its training curve, its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.core.cache import cache

from annotation_site.catalog.models import Project, Role, Round, StageRun, Tree
from annotation_site.catalog.offering import offered
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards.model.heldout import rated
from pipeline.calibration import Calibration, clusters_of
from pipeline.dendrogram import Dendrogram

Stage = StageRun.Stage
SHOWN = (Stage.TRAIN, Stage.DETECT, Stage.CLUSTER, Stage.CALIBRATE)
MOST_OF_A_BIN = 150
"""Clusters of a bin of S that the plot shows."""
HELD_SECONDS = 24 * 60 * 60
Table = Iterator[Sequence[object]]


def standing(round_: Round | None) -> dict[str, Any]:
    """How far the round is, with what was uploaded for it and what was left out of that."""
    runs = {run.stage: run for run in rows_of(round_)}
    detection = StageRun.objects.filter(round=round_, stage=Stage.DETECT)
    left_out = detection.values_list("detail__left_out", flat=True).first()
    return {
        "round": round_,
        "stages": [runs[stage] for stage in SHOWN],
        "offer": round_ and offered(round_),
        "left_out": left_out or [],
        "detect": runs[Stage.DETECT],
        "is_open": _is_done(runs[Stage.OPEN]),
        "version": " ".join(
            sorted(f"{run.stage} {run.finished_at}" for run in runs.values() if _is_done(run))
        ),
    }


def _is_done(run: StageRun) -> bool:
    return run.state == StageRun.State.DONE


def training(round_: Round | None) -> dict[str, Any]:
    """The training curve as far as it goes, and the validation at its end."""
    run = None if round_ is None else round_.stages.filter(stage=Stage.TRAIN).first()
    detail = run.detail if run else {}
    points: list[dict[str, Any]] = detail.get("losses", [])
    names = sorted({name for point in points for name in point} - {"iteration", "learning_rate", "total"})
    return {
        "state": run.state if run else StageRun.State.WAITING,
        "iterations": run.total if run else 0,
        "columns": ["iteration", "total", *names, "learning_rate"],
        "rows": [
            [point.get(name) for name in ("iteration", "total", *names, "learning_rate")] for point in points
        ],
        "validation": detail.get("validation"),
    }


def training_table(round_: Round | None) -> Table:
    """The same as a table, a header first."""
    found = training(round_)
    yield found["columns"]
    yield from found["rows"]


def calibration_of(round_: Round | None) -> Calibration | None:
    """What the round's held-out clusters taught, once it is calibrated."""
    stored = None if round_ is None else round_.calibration
    return Calibration.from_json(stored) if stored else None


def calibration(project: Project, round_: Round) -> dict[str, Any] | None:
    """The curves over bins of S, and some of the clusters that they are made of."""
    found = calibration_of(round_)
    if found is None:
        return None
    return {
        "bins": list(_bins(found)),
        "clusters": _clusters(project, round_, found),
        "calibrated": found.k_pa,
    }


def calibration_table(round_: Round | None) -> Table:
    """The curves as a table, a header first."""
    yield ("score_from", "score_to", "clusters", "p_high", "p_low", "quality")
    found = calibration_of(round_)
    for row, to in zip(_bins(found), found.edges[1:], strict=True) if found else ():
        yield (row[0], round(to, 4), *row[1:])


def _bins(found: Calibration) -> Iterator[list[float]]:
    columns = (found.edges[:-1], found.nodes, found.p_high, found.p_low, found.quality)
    for row in zip(*columns, strict=True):
        yield [round(value, 4) for value in row]


def _clusters(project: Project, round_: Round, found: Calibration) -> Mapping[str, list[float]]:
    """S, Q and size of some held-out clusters from every bin of S, the same ones each time."""
    trees = list(Tree.objects.filter(round=round_, role=Role.HELDOUT).order_by("pk").values_list("pk", "n"))
    key = f"maskgrove:calibration:{round_.pk}:{project.k_iou}:{hash(tuple(trees))}"
    held: Mapping[str, list[float]] | None = cache.get(key)
    if held is None:
        held = _drawn(project, [pk for pk, _ in trees], found)
        cache.set(key, held, HELD_SECONDS)
    return held


def _drawn(project: Project, trees: Sequence[int], found: Calibration) -> Mapping[str, list[float]]:
    scores, qualities, sizes = clusters_of(
        (Dendrogram.from_bytes(bytes(packed)), rated(pk).ious >= project.k_iou)
        for pk in trees
        for packed in Tree.objects.filter(pk=pk).values_list("packed", flat=True)
    )
    order = np.random.default_rng(0).permutation(len(scores))
    which = np.searchsorted(found.edges, scores[order], side="right")
    kept = np.concatenate([order[which == b][:MOST_OF_A_BIN] for b in np.unique(which)] or [order])
    return {
        "scores": scores[kept].round(4).tolist(),
        "qualities": qualities[kept].round(4).tolist(),
        "sizes": sizes[kept].tolist(),
    }


def missing(round_: Round | None) -> str:
    """The first stage that has to be done before there is a calibration; "" for none."""
    if round_ is None:
        return Stage.DETECT.value
    done = set(round_.stages.filter(state=StageRun.State.DONE).values_list("stage", flat=True))
    return "" if round_.calibration else next((one.value for one in SHOWN[1:] if one not in done), "")
