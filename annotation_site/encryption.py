"""Secrets in the database, encrypted with keys that are not in it.

Fernet: AES in CBC mode with an HMAC, from `cryptography`. The first of settings.ENCRYPTION_KEYS encrypts, all
of them decrypt, so that a key is replaced by putting another before it and running `manage.py encrypt_again`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.db import models, transaction


class CannotDecrypt(Exception):
    """A secret that no key at hand opens; the message says what to do."""


def encrypt(text: str) -> str:
    """The text, readable with the keys alone."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What `encrypt` was given.

    Raises
    ------
    CannotDecrypt
    """
    try:
        return _cipher(tuple(settings.ENCRYPTION_KEYS)).decrypt(token).decode()
    except InvalidToken as error:
        raise CannotDecrypt(
            "A secret in the database was encrypted with another key: add that key to ENCRYPTION_KEYS "
            "(unset, it was SECRET_KEY)."
        ) from error


@cache
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    """Keys are any long texts: what Fernet wants is derived from them, for this purpose alone."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"maskgrove: secrets at rest").derive(key.encode())


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """A text that is plain in Python and encrypted in its row. The empty text stays empty."""

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        return decrypt(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(str(value)) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        """Only whether it is null: the same text is another one each time it is encrypted."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


def encrypt_all_again() -> int:
    """Encrypt every secret with the first key; how many rows there were. Safe to repeat."""
    return sum(_encrypt_again(model, fields) for model, fields in _encrypted())


def _encrypted() -> Iterator[tuple[type[models.Model], list[str]]]:
    for model in apps.get_models():
        fields = [field.name for field in model._meta.local_fields if isinstance(field, EncryptedTextField)]
        if fields:
            yield model, fields


@transaction.atomic
def _encrypt_again(model: type[models.Model], fields: list[str]) -> int:
    rows = list(model._default_manager.select_for_update(no_key=True).order_by("pk"))
    for row in rows:
        row.save(update_fields=fields)
    return len(rows)
