"""Telling marketplaces what is written down: at least once, in a way that changes nothing the second time.

A row is claimed for a few minutes before the network is used, and no lock is held meanwhile. Whoever dies
with it leaves it to the next delivery; the marketplace knows a repeated request by the row's token, or the
provider reads back what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotation_site.marketplaces.models import Action, Listing, Posting, Submission
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.marketplaces.seam import Marketplace, NotConfigured, Refused, Unavailable

HOLD = timedelta(minutes=5)
"""Longer than a request to a marketplace may take: until then nobody else delivers the same action."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
MOST_TRIES = 20
"""With the waits between them, some twelve hours."""

logger = logging.getLogger(__name__)
Made = Callable[[Listing], Marketplace]
Clock = Callable[[], datetime]


def ask(*, listing: Listing, kind: str, reference: str, at: datetime, **about: Any) -> Action:
    """Write down what the marketplace is to be told; asking for the same again gives the row there is."""
    return Action.objects.get_or_create(
        listing=listing,
        reference=reference,
        defaults={"kind": kind, "asked_at": at, "due_at": at, **about},
    )[0]


def deliver_due(*, clock: Clock = timezone.now, most: int = 200, made: Made = marketplace_of) -> int:
    """Deliver what is due, oldest first; how many were done. Several may deliver at the same time.

    The clock is asked before each claim and after each answer: answers may be slow.
    """
    done = 0
    for _ in range(most):
        action = _claim(clock())
        if action is None:
            break
        done += deliver(action, clock=clock, made=made)
    return done


@transaction.atomic
def _claim(at: datetime) -> Action | None:
    due = Action.objects.waiting().filter(due_at__lte=at).order_by("due_at", "pk")
    action = due.select_for_update(no_key=True, skip_locked=True).first()
    if action is not None:
        Action.objects.filter(pk=action.pk).update(due_at=at + HOLD, tries=F("tries") + 1)
        action.refresh_from_db()
    return action


def deliver(action: Action, *, clock: Clock = timezone.now, made: Made = marketplace_of) -> bool:
    """Tell the marketplace; whether it knows now. What it refuses for good is given up and shown."""
    try:
        given = made(action.listing).perform(action)
    except (Unavailable, NotConfigured) as error:
        _try_again(action, str(error), clock())
    except Refused as error:
        _give_up(action, str(error), clock())
    except Exception as error:  # An answer that nobody foresaw holds up no other action.
        logger.exception("%s was answered in a way that is not understood", action)
        _try_again(action, f"Not understood: {error!r}", clock())
    else:
        _note_done(action, given, clock())
        return True
    return False


def retry(action: Action, *, at: datetime) -> None:
    """Try an action again that was given up; what it did before is looked for first, as at any second try.

    Nothing is entered for it: whoever asks for money anew does `by_hand.try_again`.
    """
    Action.objects.filter(pk=action.pk, failed_at__isnull=False).update(failed_at=None, due_at=at, tries=1)


@transaction.atomic
def _note_done(action: Action, given: dict[str, str], at: datetime) -> None:
    """The ids that came back are kept together with the news that it is done."""
    external_id = given.pop("external_id", "")
    if external_id and action.posting_id is not None:
        Posting.objects.filter(pk=action.posting_id).update(external_id=external_id, posted_at=at)
    if given:
        listing = Listing.objects.select_for_update(no_key=True).get(pk=action.listing_id)
        listing.remote = {**listing.remote, **given}
        listing.save(update_fields=["remote"])
    Action.objects.filter(pk=action.pk, done_at__isnull=True).update(done_at=at, error="", failed_at=None)


def _try_again(action: Action, error: str, at: datetime) -> None:
    if action.tries >= MOST_TRIES:
        _give_up(action, f"Given up after {action.tries} tries. {error}", at)
        return
    wait = min(FIRST_WAIT * 2 ** (action.tries - 1), LONGEST_WAIT)
    logger.warning("%s is tried again in %s: %s", action, wait, error)
    Action.objects.filter(pk=action.pk).update(due_at=at + wait, error=error)


@transaction.atomic
def _give_up(action: Action, error: str, at: datetime) -> None:
    """An override that is not done leaves its place rejected, so the ledger is to say so again.

    Rows of submissions come before those of actions, as where an admin has one tried again.
    """
    logger.error("%s was refused: %s", action, error)
    late = Submission.objects.filter(actions=action, actions__kind=Action.Kind.OVERRIDE)
    list(late.select_for_update(no_key=True, of=("self",)))
    if Action.objects.waiting().filter(pk=action.pk).update(failed_at=at, error=error):
        late.update(booked_at=None)
