"""Forgetting what a stage left, so that it can be carried out afresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction

from annotation_site.catalog.models import Mask, Replacement, Round, StageRun, Tree
from annotation_site.catalog.storage import delete_artifacts, round_folder


def discard_model(round_: Round) -> None:
    """Delete the round's checkpoints."""
    Round.objects.filter(pk=round_.pk).update(checkpoint="", detector="")
    round_.refresh_from_db()
    delete_artifacts(f"{round_folder(round_)}/model")


@transaction.atomic
def discard_shards(round_: Round) -> None:
    """Delete the round's detected predictions: first the rows, so that none points at a missing file."""
    round_.shards.all().delete()
    Round.objects.filter(pk=round_.pk).update(feature_source="")
    round_.refresh_from_db()
    transaction.on_commit(lambda: delete_artifacts(f"{round_folder(round_)}/shards"))


@transaction.atomic
def discard_trees(round_: Round) -> None:
    """Delete the round's trees, what is there of unfinished ones, and masks by a statement each."""
    Replacement.objects.filter(mask__tree__round=round_).delete()
    Mask.objects.filter(tree__round=round_)._raw_delete("default")
    Tree.objects.filter(round=round_)._raw_delete("default")
    transaction.on_commit(lambda: delete_artifacts(f"{round_folder(round_)}/pieces"))


def discard_calibration(round_: Round) -> None:
    """Forget K_pa and what it was derived from."""
    Round.objects.filter(pk=round_.pk).update(k_pa=None, calibration=None)
    round_.refresh_from_db()


def _nothing(round_: Round) -> None:
    """An opened round is never discarded."""


DISCARD: Mapping[StageRun.Stage, Callable[[Round], None]] = {
    StageRun.Stage.TRAIN: discard_model,
    StageRun.Stage.DETECT: discard_shards,
    StageRun.Stage.CLUSTER: discard_trees,
    StageRun.Stage.CALIBRATE: discard_calibration,
    StageRun.Stage.OPEN: _nothing,
}
