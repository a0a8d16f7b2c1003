"""Which gold hides in a HIT."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from django.db.models import Count

from annotation_site import statements
from annotation_site.people.models import GoldItem, Membership
from annotation_site.verification.gold_review import gold_seen_as_masks
from annotation_site.verification.models import Judgment, Question

LEFT = """
SELECT q.id, q.gold_id, max(i.assignment_id)
FROM verification_assignment a
JOIN verification_item i ON i.assignment_id = a.id
JOIN verification_question q ON q.id = i.question_id
WHERE a.worker_id = %(worker)s AND a.project_id = %(project)s AND a.released_at IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM verification_judgment j
  WHERE j.question_id = q.id AND j.worker_id = a.worker_id AND j.retracted_at IS NULL
)
GROUP BY q.id, q.gold_id ORDER BY q.id
"""


class Gold(NamedTuple):
    """What a choice among gold items looks at; `category` is the category's primary key."""

    pk: int
    category: int
    is_correct: bool


class Left(NamedTuple):
    """A question that a worker was shown and never answered; `hit` is the last one that held it.

    `gold` is the gold item's primary key; None where it is about a mask.
    """

    question: int
    gold: int | None
    hit: int


def gold_for(
    membership: Membership,
    *,
    beside: Mapping[int, int],
    share: float,
    room: int,
    rng: np.random.Generator,
) -> list[int]:
    """Questions about gold for a HIT: half of them correct masks, each half those that the worker saw least.

    Of what they left in an earlier HIT, as much gold comes again as there are masks that come again: else
    whoever lets a lease end could tell one from the other. So only the masks that are new get new gold.

    Parameters
    ----------
    beside : question -> category of the masks in the HIT; gold of these categories goes first, since it
        stands out least, and no mask is shown twice to a worker, once as gold
    share : of the HIT that is to be gold, below 1
    room : how many at most; there are fewer, too, where the project has less gold
    """
    left = _left(membership)
    again = _coming_again(left, beside, rng)
    new = len(beside.keys() - {each.question for each in left})
    pool = _pool(membership, {each.gold for each in left}, beside, rng)
    chosen = [gold for gold in pool if gold.pk in again][:room]
    count = min(room, len(chosen) + rounded_at_random(new * share / (1 - share), rng))
    others = [gold for gold in pool if gold.pk not in again]
    return _questions(_filled(chosen, others, count, rng), membership.project_id)


def rounded_at_random(number: float, rng: np.random.Generator) -> int:
    """A whole number whose mean is `number`: the size of a short HIT does not tell its gold."""
    return int(number + rng.random())


def _left(membership: Membership) -> list[Left]:
    who = {"worker": membership.worker_id, "project": membership.project_id}
    return [Left(*row) for row in statements.rows(LEFT, who)]


def _coming_again(left: Iterable[Left], asked: Container[int], rng: np.random.Generator) -> set[int]:
    """Gold that the worker left, of each HIT the share in which its masks come again; all if it has none."""
    hits: dict[int, tuple[list[int], list[bool]]] = defaultdict(lambda: ([], []))
    for each in left:
        gold, masks = hits[each.hit]
        if each.gold is None:
            masks.append(each.question in asked)
        else:
            gold.append(each.gold)
    again: set[int] = set()
    for gold, masks in hits.values():
        share = sum(masks) / len(masks) if masks else 1
        number = rounded_at_random(len(gold) * share, rng)
        again.update(rng.permutation(gold)[:number].tolist())
    return again


def _pool(
    membership: Membership, left: Container[int | None], beside: Mapping[int, int], rng: np.random.Generator
) -> list[Gold]:
    """Gold in use, in the order in which it is asked: what the worker never saw, what they left, the rest."""
    seen = _times_answered(membership)
    in_use = GoldItem.objects.filter(project=membership.project_id, retired_at__isnull=True)
    in_use = in_use.exclude(
        pk__in=gold_seen_as_masks(
            project_id=membership.project_id, worker_id=membership.worker_id, also=beside.keys()
        )
    )
    pool = [Gold(*row) for row in in_use.order_by("pk").values_list("pk", "category", "is_correct")]
    shuffled = [pool[place] for place in rng.permutation(len(pool)).tolist()]
    categories = set(beside.values())
    shuffled.sort(key=lambda gold: (seen.get(gold.pk, 0), gold.pk in left, gold.category not in categories))
    return shuffled


def _times_answered(membership: Membership) -> dict[int, int]:
    """Gold item -> how often the worker answered it."""
    mine = Judgment.objects.counting().filter(worker=membership.worker_id, of_gold=True)
    return dict(mine.values_list("question__gold").annotate(n=Count("pk")).order_by())


def _filled(
    chosen: Sequence[Gold], others: Iterable[Gold], count: int, rng: np.random.Generator
) -> list[Gold]:
    """Up to `count` items: those chosen and the first of the others, as many correct ones as wrong ones."""
    filled = list(chosen)
    sides: dict[bool, deque[Gold]] = {True: deque(), False: deque()}
    for gold in others:
        sides[gold.is_correct].append(gold)
    while len(filled) < count and any(sides.values()):
        surplus = 2 * sum(gold.is_correct for gold in filled) - len(filled)
        side = surplus < 0 or (surplus == 0 and rng.random() < 0.5)
        filled.append((sides[side] or sides[not side]).popleft())
    return filled


def _questions(gold: list[Gold], project_id: int) -> list[int]:
    """The questions about gold items; asked for the first time where there are none yet."""
    about = Question.objects.filter(gold__in=[item.pk for item in gold])
    found = dict(about.values_list("gold", "pk"))
    missing = [item for item in gold if item.pk not in found]
    if missing:
        Question.objects.bulk_create(
            (Question(project_id=project_id, category_id=item.category, gold_id=item.pk) for item in missing),
            ignore_conflicts=True,
        )
        found = dict(about.all().values_list("gold", "pk"))
    return [found[item.pk] for item in gold]
