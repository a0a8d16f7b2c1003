"""Whether a stage that runs has pieces for others: shards or trees."""

from __future__ import annotations

from annotation_site.catalog.claims import Kind, claimed
from annotation_site.catalog.models import OfferedPredictions, Round, StageRun
from annotation_site.catalog.shards import MOST_HELPERS, unfinished_shards
from annotation_site.catalog.stages import Stage, State

NOTHING = ("", 0)


def pieces_to_share(round_: Round) -> tuple[str, int]:
    """The stage that a process is at, and about how many pieces of it nobody has; ("", 0) for none."""
    running = StageRun.objects.filter(
        round=round_, state=State.RUNNING, stage__in=[Stage.DETECT, Stage.CLUSTER]
    ).first()
    if running is None or not claimed(Kind.STAGE, [running.pk]):
        return NOTHING
    if _comes_from_a_file(running):
        return NOTHING
    count = _free_shards(round_) if running.stage == Stage.DETECT else _free_trees(running)
    return (running.stage, count) if count else NOTHING


def _comes_from_a_file(run: StageRun) -> bool:
    """Whether the predictions are somebody else's: no model here can help with them."""
    return "origin" in run.detail or OfferedPredictions.objects.filter(round=run.round_id).exists()


def _free_shards(round_: Round) -> int:
    some = list(unfinished_shards(round_).values_list("pk", flat=True)[:MOST_HELPERS])
    return len(some) - len(claimed(Kind.SHARD, some))


def _free_trees(run: StageRun) -> int:
    """Trees that are missing but for the one that is being grown, whose pieces are offered one by one."""
    trees: int = run.detail.get("trees", 0)
    return max(trees - run.round.trees.count() - 1, 0)
