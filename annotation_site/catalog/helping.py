"""Helping with a stage that another process carries out: whether it has pieces for others, and taking part.

Who helps shares a claim of the stage, which whoever discards what the stage left must have alone
(`catalog.stages`): nothing that a helper is at belongs to something that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.models import OfferedPredictions, Round, StageRun
from annotation_site.catalog.shards import MOST_HELPERS, unfinished_shards
from annotation_site.catalog.stages import Stage, StageError, State
from annotation_site.catalog.steps import HelperSteps
from pipeline.progress import Progress, silent

NOTHING = ("", 0)


class NothingToHelp(StageError):
    """No process carries the stage out, or it has no use for help."""


@contextmanager
def taking_part(round_: Round, stage: StageRun.Stage, *, also: Progress = silent) -> Iterator[Progress]:
    """Help with a stage; the Progress ends the work when the stage ends, whatever ends it.

    The round is read anew, and nothing that the stage left is discarded until the block is left.

    Raises
    ------
    NothingToHelp
    """
    nothing = NothingToHelp(
        f"There is nothing to help with: nobody carries out {stage} of {round_.project.slug} now."
    )
    with Claims() as claims:
        begun = StageRun.objects.filter(round=round_, stage=stage).first()
        if begun is None or not claims.share(Kind.HELP, begun.pk):
            raise nothing
        run = StageRun.objects.filter(pk=begun.pk, state=State.RUNNING, stop_requested=False).first()
        if run is None or _comes_from_a_file(run):
            raise nothing
        round_.refresh_from_db()
        yield HelperSteps(run, claims, also=also)


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
