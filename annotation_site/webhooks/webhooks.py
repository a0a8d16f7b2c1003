"""Setting up the addresses of a project."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from annotation_site.webhooks.addresses import check_url
from annotation_site.webhooks.models import Delivery, Kind, Webhook, new_secret

MOST = 20
"""Addresses of a project."""
ARCHIVED = "The project was archived."
"""Why an address is told nothing, for as long as that is so."""
BOTH_FOR = timedelta(days=1)
"""For so long after a new secret, the earlier one signs too."""


class WebhookRefused(ValueError):
    """An address that cannot be told as asked; the message may be shown."""


@transaction.atomic
def add_webhook(
    *, project: Any, url: str, kinds: Collection[str], description: str, by: Any, at: datetime
) -> Webhook:
    """An address that is told of these kinds from now on.

    Raises
    ------
    WebhookRefused, AddressRefused
    """
    type(project).objects.select_for_update(no_key=True).get(pk=project.pk)
    if Webhook.objects.filter(project=project).count() >= MOST:
        raise WebhookRefused(f"A project has {MOST} webhooks at most: delete one first.")
    checked = _checked(url, kinds)
    return Webhook.objects.create(
        project=project, url=url, kinds=checked, description=description[:120], created_by=by, created_at=at
    )


def change_webhook(*, webhook: Webhook, url: str, kinds: Collection[str], description: str) -> Webhook:
    """Tell another address, or of other kinds; what waits goes there, too.

    Raises
    ------
    WebhookRefused, AddressRefused
    """
    webhook.url, webhook.kinds, webhook.description = url, _checked(url, kinds), description[:120]
    webhook.save(update_fields=["url", "kinds", "description"])
    return webhook


def _checked(url: str, kinds: Collection[str]) -> list[str]:
    check_url(url)
    if len(url) > 500:
        raise WebhookRefused("The address is longer than 500 letters.")
    chosen = [kind for kind in Kind.values if kind in kinds]
    if not chosen or len(chosen) < len(set(kinds)):
        raise WebhookRefused("Choose of what the address is to be told.")
    return chosen


@transaction.atomic
def disable(*, webhook: Webhook, at: datetime, because: str = "") -> None:
    """Tell it nothing more; what waits is given up."""
    enabled = Webhook.objects.filter(pk=webhook.pk, disabled_at=None)
    enabled.update(disabled_at=at, disabled_because=because)
    waiting = webhook.deliveries.filter(state=Delivery.State.WAITING)
    waiting.update(state=Delivery.State.FAILED, ended_at=at)


def silence(project: Any, *, at: datetime) -> None:
    """Tell none of a project's addresses anything, since it is archived."""
    for webhook in Webhook.objects.enabled().filter(project=project).only("pk"):
        disable(webhook=webhook, at=at, because=ARCHIVED)


def end_silence(project: Any) -> None:
    """Tell those again that `silence` silenced."""
    for webhook in Webhook.objects.filter(project=project, disabled_because=ARCHIVED).only("pk"):
        enable(webhook=webhook)


def enable(*, webhook: Webhook) -> None:
    """Tell it again what happens from now on."""
    Webhook.objects.filter(pk=webhook.pk).update(
        disabled_at=None, disabled_because="", failures=0, failing_since=None
    )


def rotate_secret(*, webhook: Webhook, at: datetime) -> None:
    """Give it a new secret; for `BOTH_FOR` the earlier one signs too, so that nothing is lost meanwhile."""
    webhook.earlier_secret, webhook.earlier_until = webhook.secret, at + BOTH_FOR
    webhook.secret = new_secret()
    webhook.save(update_fields=["secret", "earlier_secret", "earlier_until"])
