"""Which gold hides in a HIT."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
from django.db.models import Count

from annotation_site.people.models import GoldItem, Membership
from annotation_site.verification.gold_review import gold_seen_as_masks
from annotation_site.verification.models import Judgment, Question


class Gold(NamedTuple):
    """What a choice among gold items looks at; `category` is the category's primary key."""

    pk: int
    category: int
    is_correct: bool


def gold_for(
    membership: Membership,
    *,
    count: int,
    categories: Collection[int],
    beside: Collection[int] = (),
    rng: np.random.Generator,
) -> list[int]:
    """Questions about gold for a HIT: half of them correct masks, each half those that the worker saw least.

    Parameters
    ----------
    count : how many; fewer where the project has less gold
    categories : of the HIT's other questions; gold of these goes first, since it stands out least
    beside : those questions: no mask is shown twice to a worker, once as gold
    """
    seen = _times_seen(membership)
    in_use = GoldItem.objects.filter(project=membership.project_id, retired_at__isnull=True)
    in_use = in_use.exclude(
        pk__in=gold_seen_as_masks(
            project_id=membership.project_id, worker_id=membership.worker_id, also=beside
        )
    )
    pool = [Gold(*row) for row in in_use.order_by("pk").values_list("pk", "category", "is_correct")]
    shuffled = [pool[place] for place in rng.permutation(len(pool)).tolist()]
    shuffled.sort(key=lambda gold: (seen.get(gold.pk, 0), gold.category not in categories))
    return _questions(_balanced(shuffled, rng)[:count], membership.project_id)


def _times_seen(membership: Membership) -> dict[int, int]:
    """Gold item -> how often the worker answered it."""
    mine = Judgment.objects.counting().filter(worker=membership.worker_id, of_gold=True)
    return dict(mine.values_list("question__gold").annotate(n=Count("pk")).order_by())


def _balanced(gold: Iterable[Gold], rng: np.random.Generator) -> list[Gold]:
    """Correct and wrong ones in turn, either first; the rest of the longer side at the end."""
    sides: tuple[list[Gold], list[Gold]] = ([], [])
    for item in gold:
        sides[item.is_correct].append(item)
    first = int(rng.integers(2))
    pairs = zip_longest(sides[first], sides[1 - first])
    return [item for item in chain.from_iterable(pairs) if item is not None]


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
