"""Members' records, kept at the end of each HIT so that thousands of them can be listed and sorted."""

from __future__ import annotations

from django.db.models import Count, Max

from annotation_site.people.models import Membership, WorkRecord
from annotation_site.people.standing import Record
from annotation_site.verification.models import Judgment
from annotation_site.verification.records import record_of, stopped_at

COUNTED = (
    "answers", "gold_right", "gold_wrong", "gold_at_least", "agreed", "shared", "look_ms", "last_at",
)  # fmt: skip


def keep_record(membership: Membership, record: Record | None = None) -> WorkRecord:
    """Count a member's work anew and keep that; of who is stopped, their record is as it was then."""
    if record is None:
        record = record_of(membership, until=stopped_at(membership))
    given = Judgment.objects.given().filter(
        worker=membership.worker_id, question__project=membership.project_id
    )
    counts = given.aggregate(n=Count("pk"), last=Max("at"))
    gold, agreement = record.gold, record.agreement
    kept = WorkRecord(
        membership=membership,
        answers=counts["n"],
        gold_right=gold.right,
        gold_wrong=gold.wrong,
        gold_at_least=gold.at_least if gold.answered else None,
        agreed=agreement.agreed,
        shared=agreement.shared,
        look_ms=record.pace.look_ms if record.pace.timed else None,
        last_at=counts["last"],
    )
    WorkRecord.objects.bulk_create(
        [kept], update_conflicts=True, unique_fields=["membership"], update_fields=COUNTED
    )
    return kept
