"""Stops that rested on gold which turned out to be none: a person is told, and decides."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.people.models import GoldItem, Membership, Standing, StandingChange, WorkRecord
from annotation_site.people.policies import policy_of
from annotation_site.people.standing import assess, note_worker
from annotation_site.verification.records import record_of


@transaction.atomic
def doubt_stops(*, item: GoldItem, at: datetime) -> int:
    """Look again at those who answered a gold item and were stopped by the site; how many stops are doubtful.

    A stop is doubtful when their record of that moment, without what was retired since, stops nobody. That is
    noted among the changes of their standing and shown where workers are listed. Safe to repeat.
    """
    answered = Membership.objects.filter(
        project=item.project_id, standing=Standing.STOPPED, worker__judgments__question__gold=item
    )
    members = answered.select_related("worker").order_by("pk").distinct()
    return sum(_doubt(member, item, at) for member in members)


def _doubt(member: Membership, item: GoldItem, at: datetime) -> bool:
    stops = StandingChange.objects.filter(membership=member, after=Standing.STOPPED)
    stop = stops.exclude(before=Standing.STOPPED).order_by("-at", "-pk").first()
    is_doubted = WorkRecord.objects.filter(membership=member).exclude(doubt="").exists()
    if stop is None or stop.by or is_doubted:
        return False
    record = record_of(member)  # As of the stop.
    earned, _ = assess(record, policy_of(item.project_id), current=Standing.QUALIFIED)
    if earned == Standing.STOPPED:
        return False
    told = (
        f"Gold {item.pk} was retired: {item.retired_because or 'no reason was given'}. Without it,"
        f" {record.gold.right} of {record.gold.answered} gold answers were right when the site stopped them,"
        " which stops nobody."
    )
    note_worker(membership=member, text=told, at=at, by="")
    WorkRecord.objects.update_or_create(membership=member, defaults={"doubt": told})
    return True
