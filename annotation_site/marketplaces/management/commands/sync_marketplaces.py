"""manage.py sync_marketplaces: what workers do every minute, once and at once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from annotation_site.marketplaces import outbox, reconciling


class Command(BaseCommand):
    help = "Read back what marketplaces have, and tell them what is due."

    def handle(self, **_options: Any) -> None:
        outbox.deliver_due()
        heard = reconciling.hear_all()
        changed = reconciling.reconcile_all()
        told = outbox.deliver_due()
        self.stdout.write(f"Heard {heard} news, saw {changed} submissions changed, told {told} things.")
