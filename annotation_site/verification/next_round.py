"""Beginning the next round: whether it is worth it, and what it takes over from those before."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Count, Max
from django.utils import timezone

from annotation_site.budget.caps import budget_of
from annotation_site.budget.ledger import is_spent
from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.models import Project, Round, StageRun, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import State
from annotation_site.verification.finishing import note_finished
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Assignment, Cluster, Decision, Overruling
from annotation_site.verification.opening import close_earlier
from annotation_site.verification.yields import ACCEPTED_MASKS, Masks, masks_by_round

REMEMBER = f"""
INSERT INTO catalog_knownobject (round_id, mask_id)
SELECT %(round)s, id FROM ({ACCEPTED_MASKS}) accepted ON CONFLICT DO NOTHING
"""

REFUSED_SECONDS = 24 * 60 * 60
"""For which a refusal is remembered."""

log = logging.getLogger(__name__)


class NoNextRound(Exception):
    """A further round that cannot or should not begin; the message says why and what to do."""


class RoundNotOver(NoNextRound):
    """People are still asked about the current round, or it was not even opened."""


class NothingAccepted(NoNextRound):
    """There is nothing new to learn from."""


class NotWorthIt(NoNextRound):
    """The last round added too little, or nobody could be asked about another one."""


@transaction.atomic
def start_round(
    *,
    project: Project,
    least_gain: float | None = None,
    same_iou: float | None = None,
    better_by: float | None = None,
    now: bool = False,
) -> Round:
    """The project's next round, ready to be trained; one that was begun and not opened yet is that round.

    It knows every object that is accepted at this moment: those are learnt from and not asked about again.
    What the earlier rounds left open is closed.

    Parameters
    ----------
    least_gain : instead of the project's; 0 begins whatever the last round added
    same_iou, better_by : of the new round, where they are not to be the defaults
    now : begin though people could still be asked about the current one

    Raises
    ------
    RoundNotOver, NothingAccepted, NotWorthIt, ProjectArchived
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    check_in_use(project)
    latest = current_round(project)
    if not _is_open(latest):
        if latest.number > 1:
            return latest
        raise RoundNotOver(
            f"Round 1 of {project.slug} is not open yet: run `manage.py run_pipeline {project.slug}`."
        )
    _check_over(project, latest, now=now)
    _check_worth(project, latest, project.least_gain if least_gain is None else least_gain)
    hold_trees(Tree.objects.filter(round__project=project).values_list("pk", flat=True), alone=True)
    note_finished(latest, at=timezone.now())
    chosen = {"same_iou": same_iou, "better_by": better_by}
    round_ = project.rounds.create(
        number=latest.number + 1, **{name: value for name, value in chosen.items() if value is not None}
    )
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, {"round": round_.pk, "projects": [project.pk]})
    close_earlier(project, round_)
    log.info("Round %s of %s begins with %s known objects.", round_.number, project, round_.known.count())
    return round_


def gain_of(round_: Round, by_round: Mapping[int, Masks]) -> float | None:
    """What a round added to the objects that it began with, as a share; None for the first.

    Parameters
    ----------
    by_round : what each round brought, as `yields.masks_by_round` counts it
    """
    known = round_.known.count()
    objects = sum(masks.accepted for number, masks in by_round.items() if number <= round_.number)
    return objects / known - 1 if known else None


def begin_due_rounds() -> list[Round]:
    """Begin the next round of every project that wants one and has nothing left to ask; those begun.

    A project that none is worth it for is left alone until what speaks against it has changed: to count what
    its rounds brought reads all that stands.
    """
    begun = []
    for project in Project.objects.filter(state=Project.State.OPEN, most_rounds__gt=1).order_by("pk"):
        latest = current_round(project)
        if latest.number >= project.most_rounds or not _is_open(latest):
            continue
        key, reasons = f"maskgrove:no-next-round:{latest.pk}", _reasons(project)
        if cache.get(key) == reasons:
            continue
        try:
            begun.append(start_round(project=project))
        except RoundNotOver as reason:
            log.debug("%s", reason)
        except NoNextRound as reason:
            log.info("%s", reason)
            cache.set(key, reasons, REFUSED_SECONDS)
    return begun


def _reasons(project: Project) -> str:
    """A text that differs once anything differs by which a further round is worth it."""
    decided = Decision.objects.filter(tree__round__project=project)
    by_hand = Overruling.objects.filter(tree__round__project=project)
    reasons = [
        project.least_gain,
        is_spent(budget_of(project)),
        decided.aggregate(Max("pk"), Count("withdrawn_at"), Max("withdrawn_at")),
        by_hand.aggregate(Max("pk"), Count("undone_at"), Count("replaced_by")),
    ]
    return repr(reasons)


def _is_open(round_: Round) -> bool:
    return round_.stages.filter(stage=StageRun.Stage.OPEN, state=State.DONE).exists()


def _check_over(project: Project, round_: Round, *, now: bool) -> None:
    """Refuse while the current round has questions that somebody may still answer."""
    if is_spent(budget_of(project)):
        raise NotWorthIt(
            f"The budget of {project.slug} is spent: nobody could be asked about a further round. "
            "Raise it first."
        )
    if now:
        return
    left = Cluster.objects.filter(tree__round=round_, is_open=True).count()
    if left:
        raise RoundNotOver(
            f"Round {round_.number} of {project.slug} has {left:,} open clusters to ask about: wait, or "
            "begin the next round --now and leave them."
        )
    if Assignment.objects.live().filter(project=project).exists():
        raise RoundNotOver(
            f"People are still answering round {round_.number} of {project.slug}: wait for them, or begin "
            "the next round --now."
        )


def _check_worth(project: Project, round_: Round, least_gain: float) -> None:
    """Refuse when the last round shows that another one will hardly add anything."""
    by_round = masks_by_round(project)
    if not sum(masks.accepted for masks in by_round.values()):
        raise NothingAccepted(
            f"No mask of {project.slug} is accepted yet: a further round would learn what round "
            f"{round_.number} learnt. Annotate more images, or train for longer."
        )
    gain = gain_of(round_, by_round)
    if gain is not None and gain < least_gain:
        raise NotWorthIt(
            f"Round {round_.number} of {project.slug} added {gain:.1%} to the accepted masks, less than "
            f"{least_gain:.1%}: a further round will hardly add more. Begin it all the same with "
            "--least-gain 0."
        )
