"""From what happened to messages, and from messages to addresses: at least once, each known by its id.

As marketplaces are told (marketplaces/outbox.py): a message is claimed for some minutes before the network is
used, no lock is held meanwhile, and whoever dies with it leaves it to the next look.
"""

from __future__ import annotations

import json
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotation_site.webhooks.models import TEST, Attempt, Delivery, Event, Kind, Webhook
from annotation_site.webhooks.noting import BATCH
from annotation_site.webhooks.sending import Reply, post
from annotation_site.webhooks.signing import headers

State = Delivery.State
HOLD = timedelta(minutes=2)
"""Longer than a request may take: until then nobody else makes the same delivery."""
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""After the first try, the second, …: three days, and some more so that not all come at once."""
MOST_FAILURES, FAILING_FOR = 20, timedelta(days=1)
"""An address at which so many tries failed in a row, for so long, is told nothing more."""
GONE = 410
KEPT = timedelta(days=30)
"""Deliveries that ended are deleted after that."""
TOGETHER = {Kind.CLUSTER_DECIDED.value: "decisions", Kind.CLUSTER_WITHDRAWN.value: "decisions"}
"""Kinds of which one message tells many, and what it calls them."""
AGENT = "Maskgrove-Webhooks/1"

logger = logging.getLogger(__name__)
Send = Callable[..., Reply]
Clock = Callable[[], datetime]


@transaction.atomic
def write_messages(*, at: datetime, most: int = 5000) -> int:
    """Make messages of what happened, for each address that wants to know; how many. Safe to run at once.

    What a campaign does by the thousand is told together: a message has up to `BATCH` of them.
    """
    waiting = Event.objects.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    events = list(waiting.select_related("project")[:most])
    told = _addresses({event.project_id for event in events})
    deliveries = [
        Delivery(webhook=webhook, kind=kind, body=body, made_at=at, due_at=at)
        for project, kind, body in _messages(events)
        for webhook in told[project]
        if kind in webhook.kinds
    ]
    Delivery.objects.bulk_create(deliveries)
    Event.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(deliveries)


def _addresses(projects: set[int]) -> dict[int, list[Webhook]]:
    found = defaultdict(list)
    for webhook in Webhook.objects.enabled().filter(project__in=projects).defer("secret", "earlier_secret"):
        found[webhook.project_id].append(webhook)
    return found


def _messages(events: Sequence[Event]) -> Iterator[tuple[int, str, str]]:
    """(project, kind, body) of each message; of what is told together, one for up to `BATCH` things."""
    together: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.kind in TOGETHER:
            together[event.project_id, event.kind].append(event)
        else:
            yield event.project_id, event.kind, _body(event, event.data)
    for (project, kind), group in together.items():
        things = [thing for event in group for thing in event.data["things"]]
        for first in range(0, len(things), BATCH):
            data = {TOGETHER[kind]: things[first : first + BATCH]}
            yield project, kind, _body(group[-1], data)


def _body(event: Event, data: dict[str, Any]) -> str:
    project = {"slug": event.project.slug, "name": event.project.name}
    return _written(event.kind, event.at, {"project": project, **data})


def _written(kind: str, at: datetime, data: dict[str, Any]) -> str:
    """The message, written as short as JSON can be: signatures are over these very letters."""
    told = {"type": kind, "timestamp": at, "data": data}
    return json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


def send_test(webhook: Webhook, *, at: datetime) -> Delivery:
    """A message that says nothing but that it arrives, also to an address that is disabled."""
    project = {"slug": webhook.project.slug, "name": webhook.project.name}
    body = _written(TEST, at, {"project": project, "says": "Hello from Maskgrove."})
    return webhook.deliveries.create(kind=TEST, body=body, made_at=at, due_at=at)


def redeliver(delivery: Delivery, *, at: datetime) -> None:
    """Try again now, from the beginning; the receiver knows it by the same id."""
    Delivery.objects.filter(pk=delivery.pk).update(state=State.WAITING, due_at=at, tries=0, ended_at=None)


def deliver_due(*, clock: Clock = timezone.now, most: int = 20, send: Send = post) -> list[Webhook]:
    """Make the deliveries that are due, oldest first; the webhooks that were given up with it.

    An address that fails once is left alone for the rest of this look, so that it holds up no other. The
    clock is asked before each claim and after each reply: replies may be slow.
    """
    failed: set[int] = set()
    given_up = []
    for _ in range(most):
        delivery = _claim(clock(), failed)
        if delivery is None:
            break
        reply = deliver(delivery, clock=clock, send=send)
        if not reply.succeeded:
            failed.add(delivery.webhook_id)
            if note_failure(delivery.webhook, reply, at=clock()):
                given_up.append(delivery.webhook)
    return given_up


@transaction.atomic
def _claim(at: datetime, failed: set[int]) -> Delivery | None:
    due = Delivery.objects.filter(state=State.WAITING, due_at__lte=at).exclude(webhook__in=failed)
    locked = due.order_by("due_at", "pk").select_for_update(no_key=True, skip_locked=True, of=("self",))
    delivery = locked.select_related("webhook__project").first()
    if delivery is not None:
        Delivery.objects.filter(pk=delivery.pk).update(due_at=at + HOLD, tries=F("tries") + 1)
        delivery.tries += 1
    return delivery


def deliver(delivery: Delivery, *, clock: Clock = timezone.now, send: Send = post) -> Reply:
    """Send one message, and note what came of it."""
    webhook, at = delivery.webhook, clock()
    told = {
        "content-type": "application/json",
        "user-agent": AGENT,
        **headers(message=delivery.message, body=delivery.body, secrets=_secrets(webhook, at), at=at),
    }
    reply = send(webhook.url, body=delivery.body.encode(), headers=told)
    Attempt.objects.create(
        delivery=delivery,
        at=at,
        status=reply.status,
        response=reply.text,
        error=reply.error,
        elapsed_ms=reply.elapsed_ms,
        headers=told,
    )
    _note(delivery, reply, clock())
    return reply


def _note(delivery: Delivery, reply: Reply, at: datetime) -> None:
    """End a delivery that was taken or tried often enough; let another wait for its next try."""
    if reply.succeeded:
        _end(delivery, State.DELIVERED, at)
        Webhook.objects.filter(pk=delivery.webhook_id, failures__gt=0).update(failures=0, failing_since=None)
    elif delivery.tries > len(WAITS) or delivery.kind == TEST:
        _end(delivery, State.FAILED, at)
    else:
        wait = WAITS[delivery.tries - 1] * random.uniform(1, 1.1)
        Delivery.objects.filter(pk=delivery.pk).update(due_at=at + wait)


def _secrets(webhook: Webhook, at: datetime) -> list[str]:
    """Those that sign: of an address that got a new one, the earlier one too, for a while."""
    still = webhook.earlier_secret and webhook.earlier_until and at < webhook.earlier_until
    return [webhook.secret, webhook.earlier_secret] if still else [webhook.secret]


def _end(delivery: Delivery, state: Delivery.State, at: datetime) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state=state, ended_at=at)


@transaction.atomic
def note_failure(webhook: Webhook, reply: Reply, *, at: datetime) -> bool:
    """Count a failed try; whether that was one too many, and the address is told nothing more."""
    held = Webhook.objects.select_for_update(no_key=True).defer("secret", "earlier_secret").get(pk=webhook.pk)
    held.failures, held.failing_since = held.failures + 1, held.failing_since or at
    held.save(update_fields=["failures", "failing_since"])
    for_long = held.failures >= MOST_FAILURES and at - held.failing_since >= FAILING_FOR
    if not held.is_enabled or not (for_long or reply.status == GONE):
        return False
    why = reply.error or f"status {reply.status}"
    held.disabled_at = webhook.disabled_at = at
    held.disabled_because = webhook.disabled_because = (
        f"{held.failures} tries in a row failed since {held.failing_since:%Y-%m-%d %H:%M} UTC; last: {why}"
        if for_long
        else "It answered 410: gone."
    )[:300]
    held.save(update_fields=["disabled_at", "disabled_because"])
    held.deliveries.filter(state=State.WAITING).update(state=State.FAILED, ended_at=at)
    logger.warning("Webhook %s is disabled: %s", webhook, held.disabled_because)
    return True


def prune(*, at: datetime) -> int:
    """Delete the deliveries that ended long ago; how many."""
    old = Delivery.objects.exclude(state=State.WAITING).filter(made_at__lt=at - KEPT)
    pruned = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:1000]):
        Delivery.objects.filter(pk__in=keys).only("pk").delete()
        pruned += len(keys)
    return pruned
