"""Gold beyond held-out images, and gold that turns out to be none: marked, agreed on, retired."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from annotation_site.catalog.models import Mask, Project
from annotation_site.people.models import GoldItem, Standing
from annotation_site.people.standing import at_least
from annotation_site.verification.doubting import doubt_stops
from annotation_site.verification.gold_answers import RIGHT, gold_answers, workers_of
from annotation_site.verification.keeping import keep_work
from annotation_site.verification.models import Question, Says

Origin = GoldItem.Origin
OF_POOL = (Origin.MARKED, Origin.AGREED)
"""Gold of images that people are asked about as well: nobody may see the same mask as both."""

AGREEING = 3
"""So many proven workers of one opinion, and none of another, make a question gold."""
MOST_AGREED = 200
"""Gold of this kind, at most: enough to draw from."""
IN_USE: dict[str, Any] = {"retired_at": None, "retired_because": ""}
FAILED = 0.3
"""Gold that proven workers surely fail more often than that is no gold: it is retired."""


class CannotMark(Exception):
    """A mask that cannot be made gold; the message may be shown."""


@dataclass(frozen=True, slots=True)
class GoldReview:
    """What a review of a project's gold changed."""

    agreed: int
    retired: int


@dataclass(frozen=True, slots=True)
class GoldUse:
    """A gold item and how proven workers answered it."""

    item: GoldItem
    answered: int
    failed: int


@transaction.atomic
def mark_gold(*, mask: Mask, is_correct: bool, by: str) -> GoldItem:
    """Make a mask gold whose answer an admin knows; marking it again the same way changes nothing.

    One that was retired is asked again, with the answer that is given now.

    Raises
    ------
    CannotMark
        When it is gold with the other answer already.
    """
    made = _gold_of(mask, Origin.MARKED, is_correct)
    made.added_by = by
    GoldItem.objects.bulk_create([made], ignore_conflicts=True)
    marked = GoldItem.objects.filter(project=made.project_id, origin=Origin.MARKED, source_id=mask.pk)
    retired = marked.filter(retired_at__isnull=False)
    turned = retired.update(is_correct=made.is_correct, iou=made.iou, added_by=by, **IN_USE)
    found = marked.get()
    if turned:
        _count_anew(found)
    if found.is_correct != is_correct:
        raise CannotMark(f"Mask {mask.pk} was marked the other way: retire gold {found.pk} first.")
    return found


@transaction.atomic
def retire_gold(*, item: GoldItem, because: str, at: datetime) -> bool:
    """Ask nobody about a gold item any more, and hold no answer to it against anyone; safe to repeat.

    Those whom the site stopped by it stay so until a person decides: their stops are marked as doubtful.
    """
    in_use = GoldItem.objects.filter(pk=item.pk, retired_at__isnull=True)
    if in_use.update(retired_at=at, retired_because=because[:200]) != 1:
        return False
    item.retired_at, item.retired_because = at, because[:200]
    doubt_stops(item=item, at=at)
    return True


def _count_anew(item: GoldItem) -> None:
    """Keep the records of those who answered a gold item, now that it counts in another way."""
    keep_work(project_id=item.project_id, workers=workers_of(item))


@transaction.atomic
def take_back_gold(*, item: GoldItem, by: str) -> None:
    """Ask about a retired item again, and count the answers to it again. Safe to repeat.

    `review_gold` still retires what proven workers fail.
    """
    GoldItem.objects.filter(pk=item.pk, retired_at__isnull=False).update(added_by=by, **IN_USE)
    item.refresh_from_db()
    _count_anew(item)


def review_gold(*, project: Project, at: datetime) -> GoldReview:
    """Retire what proven workers fail, and take in what they agree on; safe to repeat."""
    retired = sum(
        retire_gold(
            item=use.item,
            because=f"{use.failed} of {use.answered} proven workers answered otherwise",
            at=at,
        )
        for use in uses_of(project)
        if at_least(use.failed, use.answered - use.failed) > FAILED
    )
    return GoldReview(agreed=_take_in_agreed(project), retired=retired)


def uses_of(project: Project) -> Iterator[GoldUse]:
    """The gold in use that proven workers answered, with how many of them answered otherwise."""
    proven = gold_answers().filter(
        question__project=project,
        worker__memberships__project=project,
        worker__memberships__standing=Standing.ACTIVE,
    )
    votes = proven.exclude(says=Says.UNSURE).values("question__gold").order_by()
    counts = {
        row["question__gold"]: (row["n"], row["failed"])
        for row in votes.annotate(
            n=Count("worker", distinct=True), failed=Count("worker", filter=~RIGHT, distinct=True)
        )
    }
    for item in GoldItem.objects.filter(pk__in=counts).order_by("pk").select_related("category", "image"):
        yield GoldUse(item, *counts[item.pk])


def retired_gold(project: Project) -> QuerySet[GoldItem]:
    """The items that are not asked any more, the latest first; `retired_because` says why."""
    return GoldItem.objects.filter(project=project, retired_at__isnull=False).order_by("-retired_at", "-pk")


AGREED = """
SELECT q.mask_id, bool_and(j.says = 'yes')
FROM verification_question q
JOIN verification_judgment j ON j.question_id = q.id AND j.retracted_at IS NULL
JOIN people_membership m ON m.worker_id = j.worker_id AND m.project_id = q.project_id
WHERE q.project_id = %s AND q.mask_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM people_golditem g
  WHERE g.project_id = q.project_id AND g.source_id = q.mask_id AND g.origin IN ('marked', 'agreed')
)
GROUP BY q.mask_id
HAVING count(*) FILTER (WHERE m.standing = %s AND j.says <> 'unsure') >= %s
  AND count(DISTINCT j.says) = 1 AND bool_and(j.says <> 'unsure')
ORDER BY q.mask_id LIMIT %s
"""


def _take_in_agreed(project: Project) -> int:
    """Make gold of questions that many proven workers answered alike, as many right ones as wrong ones."""
    left = MOST_AGREED - GoldItem.objects.filter(project=project, origin=Origin.AGREED).count()
    if left <= 0:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(AGREED, [project.pk, Standing.ACTIVE, AGREEING, 4 * left])
        found = cursor.fetchall()
    right = [mask for mask, yes in found if yes]
    wrong = [mask for mask, yes in found if not yes]
    each = min(len(right), len(wrong), left // 2)
    answers = dict.fromkeys(right[:each], True) | dict.fromkeys(wrong[:each], False)
    masks = Mask.objects.filter(pk__in=answers).select_related("tree__round").defer("tree__packed")
    made = [_gold_of(mask, Origin.AGREED, answers[mask.pk]) for mask in masks]
    GoldItem.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def _gold_of(mask: Mask, origin: GoldItem.Origin, is_correct: bool) -> GoldItem:
    return GoldItem(
        project_id=mask.tree.round.project_id,
        category_id=mask.tree.category_id,
        image_id=mask.image_id,
        origin=origin,
        iou=float(is_correct),
        is_correct=is_correct,
        source_id=mask.pk,
        x=mask.x,
        y=mask.y,
        width=mask.width,
        height=mask.height,
        counts=mask.counts,
    )


def masks_seen_as_gold(*, project_id: int, worker_id: int) -> list[int]:
    """Masks that a worker was shown as gold: they are not asked about them as questions."""
    shown = GoldItem.objects.filter(
        project=project_id, origin__in=OF_POOL, question__items__assignment__worker=worker_id
    )
    return list(shown.values_list("source_id", flat=True).distinct())


def gold_seen_as_masks(*, project_id: int, worker_id: int, also: Collection[int]) -> set[int]:
    """Gold whose mask a worker was asked about, or is asked about by one of the questions `also`."""
    of_pool = dict(
        GoldItem.objects.filter(project=project_id, origin__in=OF_POOL).values_list("source_id", "pk")
    )
    if not of_pool:
        return set()
    asked = Q(items__assignment__worker=worker_id) | Q(pk__in=list(also))
    mine = Mask.objects.filter(pk__in=of_pool, question__in=_questions(asked))
    return {of_pool[mask] for mask in mine.values_list("pk", flat=True)}


def _questions(which: Q) -> QuerySet[Question]:
    return Question.objects.filter(which, mask__isnull=False)
