"""Addresses that are told what happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Delivery, DeliveryFacts, SignedWebhook, Webhook


class Webhooks(ProjectScope):
    def webhooks(self) -> Iterator[Webhook]:
        return self._pages("webhooks")

    def add_webhook(self, url: str, kinds: Sequence[str], *, description: str = "") -> SignedWebhook:
        """Have an address told, as of "stage.failed". Its secret is in this reply and in no other."""
        made: SignedWebhook = self._send(
            "POST", "webhooks", url=url, kinds=list(kinds), description=description
        )
        return made

    def change_webhook(self, webhook: int, **values: Any) -> Webhook:
        """Another `url`, `kinds` or `description`."""
        changed: Webhook = self._send("PATCH", f"webhooks/{webhook}", **values)
        return changed

    def delete_webhook(self, webhook: int) -> None:
        self._send("DELETE", f"webhooks/{webhook}")

    def rotate_webhook_secret(self, webhook: int) -> SignedWebhook:
        """A new secret; for a day the earlier one signs, too."""
        changed: SignedWebhook = self._send("POST", f"webhooks/{webhook}/secret")
        return changed

    def disable_webhook(self, webhook: int) -> Webhook:
        changed: Webhook = self._send("POST", f"webhooks/{webhook}/disable")
        return changed

    def enable_webhook(self, webhook: int) -> Webhook:
        changed: Webhook = self._send("POST", f"webhooks/{webhook}/enable")
        return changed

    def test_webhook(self, webhook: int) -> Delivery:
        """Send a test; `delivery` tells how it was answered."""
        sent: Delivery = self._send("POST", f"webhooks/{webhook}/test")
        return sent

    def deliveries(
        self, webhook: int, *, state: Literal["waiting", "delivered", "failed"] | None = None
    ) -> Iterator[Delivery]:
        return self._pages(f"webhooks/{webhook}/deliveries", state=state)

    def delivery(self, delivery: int) -> DeliveryFacts:
        """A message with every try."""
        found: DeliveryFacts = self._get(f"deliveries/{delivery}")
        return found

    def redeliver(self, delivery: int) -> Delivery:
        """Send a message once more, with the same id."""
        sent: Delivery = self._send("POST", f"deliveries/{delivery}/again")
        return sent
