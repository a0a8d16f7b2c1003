"""How far a round's stages are, the same wherever it is told: pages, the API, commands, alarms."""

from __future__ import annotations

from collections.abc import Iterable

from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.stages import ORDER, orphaned


def in_order(runs: Iterable[StageRun]) -> list[StageRun]:
    """One for each stage, in the order of work; those not begun are unsaved rows in state waiting."""
    known = {run.stage: run for run in runs}
    return [known.get(stage) or StageRun(stage=stage) for stage in ORDER]


def rows_of(round_: Round | None, *, with_detail: bool = False) -> list[StageRun]:
    """The stages of a round in order, and of those that run whether a process is at them.

    Parameters
    ----------
    with_detail : whether what they left to look at is read, too: it may be large, as the course of a training
    """
    if round_ is None:
        return in_order(())
    stored = StageRun.objects.filter(round=round_)
    rows = in_order(stored if with_detail else stored.defer("detail"))
    for run in orphaned(rows):
        run.is_interrupted = True
    for row in rows:
        row.round = round_
    return rows
