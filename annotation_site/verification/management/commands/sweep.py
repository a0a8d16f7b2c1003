"""manage.py sweep"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from annotation_site.verification.leases import look_after, sweep


class Command(BaseCommand):
    """`verification.leases` does it."""

    help = (
        "Return the questions of HITs whose lease has run out and settle what was answered of them; retire"
        " gold that proven workers fail; learn workers' accuracies where votes are weighed by them."
    )

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        ended = sweep(at=timezone.now())
        look_after(at=timezone.now())
        self.stdout.write(self.style.SUCCESS(f"{ended} leases had run out."))
