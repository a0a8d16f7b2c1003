"""What a HIT shows: the same of gold as of any other mask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from annotation_site.catalog.models import Category, Image, Mask
from annotation_site.people.models import GoldItem
from annotation_site.verification.models import Assignment, Item, Judgment


@dataclass(frozen=True, slots=True)
class Shown:
    """An item of a HIT: an outlined object of an image, and the answer that stands."""

    key: UUID
    category: Category
    outlined: Mask | GoldItem
    says: str | None

    @property
    def image(self) -> Image:
        return self.outlined.image


def shown(assignment: Assignment) -> list[Shown]:
    """The items of a HIT in their order."""
    standing = Judgment.objects.counting().filter(item__assignment=assignment)
    says = dict(standing.values_list("item", "says"))
    items = assignment.items.select_related(
        "question__category", "question__mask__image", "question__gold__image"
    )
    return [_shown(item, says.get(item.pk)) for item in items.order_by("index")]


def note_unseen(item_key: UUID, *, at: datetime) -> None:
    """The photo of an item could not be shown: "cannot tell" says nothing about its worker then."""
    Item.objects.filter(key=item_key, unseen_at__isnull=True).update(unseen_at=at)


def _shown(item: Item, says: str | None) -> Shown:
    outlined = item.question.mask or item.question.gold
    assert outlined is not None
    return Shown(item.key, item.question.category, outlined, says)
