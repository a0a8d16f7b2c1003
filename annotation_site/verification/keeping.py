"""Members' records, kept so that thousands of them can be listed and sorted, and no page waits for a count.

They are counted anew when a HIT ends, every minute of it, and whenever work changes outside of one: by late
answers, a stop, a reinstatement, gold that is retired. Whoever tells of a member's work reads it here, and
tells the same as everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db.models import F

from annotation_site.people.models import Membership, WorkRecord
from annotation_site.people.standing import Record
from annotation_site.verification.models import Assignment
from annotation_site.verification.records import records_of

COUNTED = (
    "answers", "gold_right", "gold_wrong", "gold_at_least", "agreed", "shared", "look_ms", "clock_ms",
    "last_at",
)  # fmt: skip
AT_ONCE = 50
"""Members of one statement."""


def kept_records(members: Iterable[Membership]) -> dict[int, WorkRecord]:
    """Primary key -> record, of some members; counted now where none is kept yet."""
    keys = [member.pk for member in members]
    found: dict[int, WorkRecord] = WorkRecord.objects.in_bulk(keys)
    return found | keep(records_of([key for key in keys if key not in found]))


def kept_record(membership: Membership) -> WorkRecord:
    """The same of one member."""
    return kept_records([membership])[membership.pk]


def keep_those_at_work() -> None:
    """Count anew the work of everybody who holds a HIT, so that no record is older than the last time."""
    holding = Membership.objects.filter(
        worker__assignments__in=Assignment.objects.live(), project=F("worker__assignments__project")
    )
    keys = sorted(set(holding.values_list("pk", flat=True)))
    for first in range(0, len(keys), AT_ONCE):
        keep(records_of(keys[first : first + AT_ONCE]))


def keep_work(*, project_id: int, workers: Collection[int]) -> None:
    """Count the work of some workers on a project anew, where that changed outside of a HIT, and keep it."""
    members = Membership.objects.filter(project=project_id, worker__in=workers)
    keep(records_of(members.values_list("pk", flat=True)))


def keep_record(membership: Membership) -> WorkRecord:
    """Count a member's work anew and keep that."""
    return keep(records_of([membership.pk]))[membership.pk]


def keep(records: Mapping[int, Record]) -> dict[int, WorkRecord]:
    """Keep the records of members; what they are told to be from now on, by primary key."""
    rows = [_row(member, record) for member, record in sorted(records.items())]  # One order: no deadlock.
    WorkRecord.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["membership"], update_fields=COUNTED
    )
    return {row.membership_id: row for row in rows}


def _row(member: int, record: Record) -> WorkRecord:
    gold, agreement, pace = record.gold, record.agreement, record.pace
    return WorkRecord(
        membership_id=member,
        answers=record.answers,
        gold_right=gold.right,
        gold_wrong=gold.wrong,
        gold_at_least=gold.at_least if gold.answered else None,
        agreed=agreement.agreed,
        shared=agreement.shared,
        look_ms=pace.look_ms if pace.timed else None,
        clock_ms=pace.clock_ms,
        last_at=record.last_at,
    )
