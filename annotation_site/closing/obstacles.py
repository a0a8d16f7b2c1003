"""Why a project cannot be deleted now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.claims import Kind, claimed
from annotation_site.catalog.clustering import claim_number
from annotation_site.catalog.jobs import DUE
from annotation_site.catalog.models import DetectionShard, Project, Role, Round, StageRun
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.verification.models import Assignment

UNPAID = (Submission.State.ARRIVED, Submission.State.HANDED_IN)


def obstacles(project: Project) -> list[str]:
    """Each may be shown; empty when the project can be deleted."""
    found = (_in_use(project), _open_work(project), _marketplaces(project), _background(project))
    return [told for several in found for told in several]


def _in_use(project: Project) -> Iterator[str]:
    if project.state == Project.State.DELETING:
        yield _("It is being deleted already.")
    elif not project.is_archived:
        yield _("It is in use: archive it first.")


def _open_work(project: Project) -> Iterator[str]:
    held = Assignment.objects.live().filter(project=project).count()
    spend = spend_of(project)
    if held or spend.reserved_questions or spend.reserved_money:
        yield ngettext(
            "One page of work is open, and money is reserved for it: it ends with its lease, at the latest"
            " %(minutes)d minutes after the last answer.",
            "%(n)d pages of work are open, and money is reserved for them: they end with their lease, at the"
            " latest %(minutes)d minutes after the last answer.",
            held,
        ) % {"n": held, "minutes": project.lease_minutes}


def _marketplaces(project: Project) -> Iterator[str]:
    if Listing.objects.filter(project=project, state=Listing.State.PUBLISHED).exists():
        yield _("It is offered on a marketplace: end that.")
    unpaid = Submission.objects.filter(listing__project=project, state__in=UNPAID).count()
    if unpaid:
        yield ngettext(
            "One place on a marketplace is held, or handed in and not paid yet.",
            "%(n)d places on marketplaces are held, or handed in and not paid yet.",
            unpaid,
        ) % {"n": unpaid}
    if Submission.objects.unbooked().filter(listing__project=project).exists():
        yield _("The ledger does not say yet what a place on a marketplace came to: that takes a minute.")
    untold = Action.objects.waiting().filter(listing__project=project).count()
    if untold:
        yield ngettext(
            "One thing is still to be told to a marketplace.",
            "%(n)d things are still to be told to marketplaces.",
            untold,
        ) % {"n": untold}


def _background(project: Project) -> Iterator[str]:
    busy = [name for name, kind, keys in _work(project) if claimed(kind, keys)]
    if project.exports.filter(state__in=DUE).exists():
        busy.append(_("exports"))
    if busy:
        yield _("Somebody is still at work on it: %(what)s.") % {"what": ", ".join(busy)}


def _work(project: Project) -> Iterable[tuple[str, Kind, Iterable[int]]]:
    """What background work there may be, and by which keys it is claimed."""
    rounds = Round.objects.filter(project=project)
    shards = DetectionShard.objects.filter(round__in=rounds, finished_at=None)
    return (
        (_("stages"), Kind.STAGE, _keys(StageRun.objects.filter(round__in=rounds))),
        (_("detection"), Kind.SHARD, _keys(shards)),
        (_("clustering"), Kind.TREE, _trees(project, rounds)),
        (_("imports"), Kind.IMPORT, [project.pk]),
        (_("imports"), Kind.INTAKE, _keys(ImportRun.objects.filter(project=project))),
        (_("comparisons"), Kind.COMPARISON_TURN, [project.pk]),
        (_("estimates"), Kind.ESTIMATE, _keys(Estimate.objects.filter(round__in=rounds))),
    )


def _trees(project: Project, rounds: QuerySet[Round]) -> Iterable[int]:
    places = product(_keys(rounds), _keys(project.categories.all()), Role.values)
    return [claim_number(*place) for place in places]


def _keys(rows: QuerySet[Any]) -> Iterable[int]:
    return rows.values_list("pk", flat=True)
