"""Members' records, kept so that thousands of them can be listed and sorted, and no page waits for a count.

They are counted anew when a HIT ends, every minute of it, and whenever work changes outside of one: by late
answers, a stop, a reinstatement, gold that is retired. Whoever tells of a member's work reads it here, and
tells the same as everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

from django.db import transaction
from django.db.models import F

from annotation_site.people.models import Membership, WorkRecord
from annotation_site.people.standing import Record
from annotation_site.verification.models import Assignment
from annotation_site.verification.records import records_of
from pipeline.batches import in_batches

COUNTED = (
    "answers", "gold_right", "gold_wrong", "gold_at_least", "agreed", "shared", "look_ms", "clock_ms",
    "last_at",
)  # fmt: skip

AT_ONCE = 5
"""Members who are counted in one transaction: a HIT that ends meanwhile waits for its own."""


def kept_records(members: Iterable[Membership]) -> dict[int, WorkRecord]:
    """Primary key -> record, of some members; counted now where none is kept yet."""
    keys = {member.pk for member in members}
    found: dict[int, WorkRecord] = WorkRecord.objects.in_bulk(keys)
    if missing := keys - found.keys():
        keep_records(missing)
        found |= WorkRecord.objects.in_bulk(missing)
    return found


def kept_record(membership: Membership) -> WorkRecord:
    """The same of one member."""
    return kept_records([membership])[membership.pk]


def keep_those_at_work() -> None:
    """Count anew the work of everybody who holds a HIT, so that no record is older than the last time."""
    holding = Membership.objects.filter(
        worker__assignments__in=Assignment.objects.live(), project=F("worker__assignments__project")
    )
    keep_in_turns(set(holding.values_list("pk", flat=True)))


def keep_in_turns(members: Iterable[int]) -> None:
    """Count the work of any number of members anew, a few in each transaction."""
    for some in in_batches(sorted(members), AT_ONCE):
        keep_records(some)


@transaction.atomic
def keep_records(members: Iterable[int]) -> dict[int, Record]:
    """Count the work of members anew, by primary key, and keep what that comes to.

    The records are held before anything is counted: of several who count at the same time, the one who keeps
    last has counted last.
    """
    keys = _hold(members)
    found = records_of(keys)
    WorkRecord.objects.bulk_create(
        [_row(member, record) for member, record in found.items()],
        update_conflicts=True,
        unique_fields=["membership"],
        update_fields=COUNTED,
    )
    return found


def keep_work(*, project_id: int, workers: Collection[int]) -> None:
    """The same of some workers on a project, whose work changed outside of a HIT, once that is committed."""
    members = Membership.objects.filter(project=project_id, worker__in=workers)
    transaction.on_commit(partial(keep_in_turns, list(members.values_list("pk", flat=True))))


def _hold(members: Iterable[int]) -> list[int]:
    """Hold the records of members until the transaction ends, new ones, too, in the order of `locks`."""
    keys = sorted(members)
    WorkRecord.objects.bulk_create([WorkRecord(membership_id=key) for key in keys], ignore_conflicts=True)
    held = WorkRecord.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True)
    return list(held.values_list("pk", flat=True))


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
