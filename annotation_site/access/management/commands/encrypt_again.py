"""Encrypt the secrets in the database with the first of ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation_site.encryption import CannotDecrypt, encrypt_all_again


class Command(BaseCommand):
    help = "Encrypts every secret in the database with the first key, after which the others may go."

    def handle(self, **_: Any) -> None:
        try:
            count = encrypt_all_again()
        except CannotDecrypt as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} rows with secrets are encrypted with the first key.")
