"""Members' records, kept when a HIT ends so that thousands of them can be listed and sorted.

Whoever tells of a member's work takes it from here, and is told the same as everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db.models import Exists, OuterRef, Subquery

from annotation_site.people.models import Membership, WorkRecord
from annotation_site.people.standing import Record
from annotation_site.verification.models import Assignment, Judgment
from annotation_site.verification.records import records_of

COUNTED = (
    "answers", "gold_right", "gold_wrong", "gold_at_least", "agreed", "shared", "look_ms", "clock_ms",
    "last_at",
)  # fmt: skip


def up_to_date(members: Iterable[Membership]) -> dict[int, WorkRecord]:
    """Primary key -> record, of some members: counted anew for those whose answers have changed since.

    Those are who hold a HIT, or have answered since it ended. Four statements at most, for however many.
    """
    keys = [member.pk for member in members]
    behind = _behind(keys)
    if behind:
        keep(records_of(behind))
    return WorkRecord.objects.in_bulk(keys)


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


def _behind(keys: Collection[int]) -> list[int]:
    """Members whose record is not kept, or not that of all their answers, or may change by an undo."""
    given = Judgment.objects.given().filter(worker=OuterRef("worker"), question__project=OuterRef("project"))
    holding = Assignment.objects.live().filter(worker=OuterRef("worker"), project=OuterRef("project"))
    found = Membership.objects.filter(pk__in=keys).annotate(
        last_at=Subquery(given.order_by("-at").values("at")[:1]), holds=Exists(holding)
    )
    rows = found.values_list("pk", "holds", "last_at", "record", "record__last_at")
    return [pk for pk, holds, last_at, kept, known in rows if kept is None or holds or last_at != known]


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
