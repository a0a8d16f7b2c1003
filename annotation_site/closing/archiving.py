"""Putting a project away, and taking it out again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.catalog import jobs
from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import listings
from annotation_site.marketplaces.models import Listing
from annotation_site.preparing.models import Estimate
from annotation_site.verification import carrying_on
from annotation_site.verification.models import SearchRules
from annotation_site.webhooks import webhooks

State = Project.State


@transaction.atomic
def archive(*, project: Project, at: datetime) -> None:
    """From now on the project is only read. Safe to repeat.

    Nobody opens another HIT; those that people hold are ended, and paid, as in a pause. Listings end, and
    what is to be paid on marketplaces goes on to be. Workers leave its stages and imports after the piece at
    hand, and its webhooks are told nothing. Exports are written as before.

    Raises
    ------
    ProjectArchived
        When it is being deleted.
    """
    if _held(project).is_archived:
        return
    _set(project, State.ARCHIVED)
    for round_ in project.rounds.all():
        carrying_on.stop(round_)
    estimates = Estimate.objects.filter(round__project=project, state__in=jobs.DUE)
    comparisons = project.comparisons.filter(state__in=jobs.DUE)
    for job in (*project.imports.filter(state__in=jobs.DUE), *estimates, *comparisons):
        jobs.request_stop(job, at=at)
    for listing in project.listings.filter(state=Listing.State.PUBLISHED):
        listings.end(listing=listing, at=at)
    webhooks.silence(project, at=at)


@transaction.atomic
def take_out(*, project: Project) -> None:
    """Let the project be changed again: as a draft, or paused where people were asked. Safe to repeat.

    Listings stay ended, and stages stay stopped until somebody runs them.

    Raises
    ------
    ProjectArchived
        When it is being deleted.
    """
    if not _held(project).is_archived:
        return
    was_opened = SearchRules.objects.filter(round__project=project).exists()
    _set(project, State.PAUSED if was_opened else State.DRAFT)
    webhooks.end_silence(project)


def _held(project: Project) -> Project:
    """The project as it is, which nobody changes until the transaction ends."""
    held = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if held.state == State.DELETING:
        raise ProjectArchived(held)
    return held


def _set(project: Project, state: Project.State) -> None:
    Project.objects.filter(pk=project.pk).update(state=state)
    project.state = state
