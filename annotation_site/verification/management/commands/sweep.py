"""manage.py sweep"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from annotation_site.verification.leases import sweep


class Command(BaseCommand):
    """`verification.leases` does it."""

    help = "Return the questions of HITs whose lease has run out, and settle what was answered of them."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        self.stdout.write(self.style.SUCCESS(f"{sweep(at=timezone.now())} leases had run out."))
