"""What an answer to gold says, the same for every figure: of its worker, and of votes.

"Cannot tell" is not right, as the answer could be told; nor is it a vote, so it says nothing of how often
votes are right. Where the photo could not be read there was nothing to tell: such an answer is none. Gold
that was retired is held against nobody.
"""

from __future__ import annotations

from django.db.models import Q

from annotation_site.people.models import GoldItem
from annotation_site.verification.models import Judgment, JudgmentQuerySet, Says

RIGHT = Q(says=Says.YES, question__gold__is_correct=True) | Q(says=Says.NO, question__gold__is_correct=False)
UNSEEN = Q(says=Says.UNSURE, item__unseen_at__isnull=False)

IS_RIGHT = f"j.says = CASE WHEN g.is_correct THEN '{Says.YES.value}' ELSE '{Says.NO.value}' END"
IS_VOTE = f"j.says <> '{Says.UNSURE.value}'"
GIVEN = f"""
FROM verification_judgment j
JOIN verification_question q ON q.id = j.question_id
JOIN people_golditem g ON g.id = q.gold_id
JOIN verification_item i ON i.id = j.item_id
WHERE q.gold_id IS NOT NULL AND j.of_gold AND j.retracted_at IS NULL AND g.retired_at IS NULL
  AND NOT (j.says = '{Says.UNSURE.value}' AND i.unseen_at IS NOT NULL)
"""
"""For statements: the answers `j` to gold `g`; a stop leaves them, as they are what is known of its worker.

Planners are told that few questions are about gold.
"""


def gold_answers() -> JudgmentQuerySet:
    """The answers of `GIVEN`."""
    on_gold = Judgment.objects.counting().filter(of_gold=True, question__gold__retired_at__isnull=True)
    return on_gold.exclude(UNSEEN)


def workers_of(item: GoldItem) -> set[int]:
    """The primary keys of those who answered a gold item, used still or not."""
    answers = Judgment.objects.given().filter(question__gold=item).order_by()
    return set(answers.values_list("worker", flat=True))


def is_right(judgment: Judgment) -> bool | None:
    """Whether gold was answered right; None for what is no gold, or could not be seen."""
    gold = judgment.question.gold
    if gold is None or (judgment.says == Says.UNSURE and judgment.item.unseen_at):
        return None
    return judgment.says == (Says.YES if gold.is_correct else Says.NO)
