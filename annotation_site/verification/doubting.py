"""Stops that rested on gold which turned out to be none: a person is told, and decides."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.people.models import GoldItem, Membership, Standing, StandingChange, WorkRecord
from annotation_site.people.policies import policy_of
from annotation_site.people.standing import Record, assess, note_worker
from annotation_site.verification.gold_answers import workers_of
from annotation_site.verification.keeping import keep_records, keep_work


@transaction.atomic
def doubt_stops(*, item: GoldItem, at: datetime) -> int:
    """Count the work anew of those who answered gold that was retired; how many stops are doubtful for it.

    A stop by the site is doubtful when their record of that moment, without what was retired since, stops
    nobody. That is noted among the changes of their standing and shown where workers are listed. Safe to
    repeat.
    """
    workers = workers_of(item)
    members = Membership.objects.filter(
        project=item.project_id, standing=Standing.STOPPED, worker__in=workers
    )
    stopped = list(members.order_by("pk").select_for_update(no_key=True))  # Before records: see `locks`.
    records = keep_records(member.pk for member in stopped)
    keep_work(project_id=item.project_id, workers=workers)
    return sum(_doubt(member, records[member.pk], item, at) for member in stopped)


def _doubt(member: Membership, record: Record, item: GoldItem, at: datetime) -> bool:
    stops = StandingChange.objects.filter(membership=member, after=Standing.STOPPED)
    stop = stops.exclude(before=Standing.STOPPED).order_by("-at", "-pk").first()
    kept = WorkRecord.objects.filter(membership=member)
    if stop is None or stop.by or kept.exclude(doubt="").exists():
        return False
    earned, _ = assess(record, policy_of(item.project_id), current=Standing.QUALIFIED)
    if earned == Standing.STOPPED:
        return False
    told = (
        f"Gold {item.pk} was retired: {item.retired_because or 'no reason was given'}. Without it,"
        f" {record.gold.right} of {record.gold.answered} gold answers were right when the site stopped them,"
        " which stops nobody."
    )
    note_worker(membership=member, text=told, at=at, by="")
    kept.update(doubt=told)
    return True
