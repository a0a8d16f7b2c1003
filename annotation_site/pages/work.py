"""The verify page's HIT as JSON: all that the browser is told, and nothing that tells gold from real."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from django.urls import reverse

from annotation_site.catalog.models import OutlinedObject
from annotation_site.pages import crops
from annotation_site.people.models import Membership
from annotation_site.people.qualification.models import Attempt, AttemptItem
from annotation_site.verification import hits, tokens
from annotation_site.verification.hits import Shown
from annotation_site.verification.models import Assignment
from pipeline import masks

ANY = UUID(int=0)
"""In the place of any key."""


class Card(TypedDict):
    """One mask to judge.

    `box` is the part of the photo that the crop shows (x, y, width, height in pixels of the upright photo),
    `size` the crop's own width and height, `image` the whole photo's. `outline` is SVG path data in pixels of
    the photo, to be filled with fill-rule evenodd; so `box` is the view box that lays it over the crop.
    """

    key: str
    category: str
    crop: str
    whole: str
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    image: tuple[int, int]
    outline: str
    answer: str | None


class PageOfWork(TypedDict):
    """A page of work, or the test.

    `api` is the prefix of `<key>/answer` and `<key>/undo`; `next_url` is where the form at the end leads.
    """

    token: str
    api: str
    items: list[Card]
    next_url: str


def open_assignment(membership: Membership, *, at: datetime) -> Assignment | None:
    """The page of work that the worker has begun and whose lease still runs."""
    live = Assignment.objects.live().filter(project=membership.project_id, worker=membership.worker_id)
    return live.filter(expires_at__gt=at).first()


def page_of(assignment: Assignment, membership: Membership) -> PageOfWork:
    """The HIT of an assignment, with the answers that it has so far."""
    return {
        "token": tokens.issue(assignment),
        "api": "/api/items/",
        "items": _cards(hits.shown(assignment)),
        "next_url": reverse("pages:start", args=[membership.address]),
    }


def test_of(attempt: Attempt, membership: Membership) -> PageOfWork:
    """The questions of an attempt at the test, with the answers that it has so far."""
    items = attempt.items.select_related("lesson__image", "lesson__category").order_by("index")
    return {
        "token": "test",  # Who can address the test has the secret already.
        "api": reverse("pages:test", args=[membership.address]),
        "items": [_question(item) for item in items],
        "next_url": reverse("pages:test-result", args=[membership.address]),
    }


def _cards(items: Iterable[Shown]) -> list[Card]:
    crop, whole = _addresses("pages:crop"), _addresses("pages:whole")
    return [
        _card(one.key, one.category.name, one.outlined, (crop(one.key), whole(one.key)), one.says)
        for one in items
    ]


def _addresses(name: str) -> Callable[[UUID], str]:
    """`reverse` for many keys: looking a route up takes longer than all else that a card needs of it."""
    before, _, after = reverse(name, args=[ANY]).partition(str(ANY))
    return lambda key: f"{before}{key}{after}"


def _question(item: AttemptItem) -> Card:
    urls = (reverse("pages:test-crop", args=[item.key]), reverse("pages:test-whole", args=[item.key]))
    return _card(item.key, item.lesson.category.name, item.lesson, urls, item.says or None)


def _card(
    key: UUID, category: str, outlined: OutlinedObject, urls: tuple[str, str], answer: str | None
) -> Card:
    frame = crops.frame_of(outlined)
    return {
        "key": str(key),
        "category": category,
        "crop": urls[0],
        "whole": urls[1],
        "box": (frame.x, frame.y, frame.width, frame.height),
        "size": frame.fitted(crops.CROP_SIDE),
        "image": (outlined.image.width, outlined.image.height),
        "outline": masks.outline(outlined.rle),
        "answer": answer,
    }
