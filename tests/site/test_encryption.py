"""Secrets are encrypted in the database, and keys can be replaced."""

from __future__ import annotations

import io

import pytest
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import connection

from annotation_site.encryption import CannotDecrypt, decrypt, encrypt
from annotation_site.webhooks.models import Webhook
from tests.factories import NOON, ProjectFactory


@pytest.fixture
def webhook(db) -> Webhook:
    return Webhook.objects.create(
        project=ProjectFactory(), url="https://a.example/", kinds=["stage.failed"], created_at=NOON
    )


def stored(webhook: Webhook) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM webhooks_webhook WHERE id = %s", [webhook.pk])
        return cursor.fetchone()[0]


def test_a_row_does_not_tell_its_secret(webhook):
    assert webhook.secret not in stored(webhook)
    assert Webhook.objects.get().secret == webhook.secret
    assert Webhook.objects.values_list("secret", flat=True).get() == webhook.secret


def test_the_same_secret_is_stored_differently_each_time():
    assert encrypt("orchard") != encrypt("orchard")


def test_what_is_empty_stays_empty(webhook):
    assert Webhook.objects.get().earlier_secret == ""


def test_nobody_is_found_by_a_secret(webhook):
    with pytest.raises(FieldError):
        Webhook.objects.filter(secret=webhook.secret).exists()


def test_a_key_is_replaced_by_another(webhook, settings):
    before, secret = stored(webhook), webhook.secret
    settings.ENCRYPTION_KEYS = ["another key", *settings.ENCRYPTION_KEYS]
    assert Webhook.objects.get().secret == secret
    out = io.StringIO()
    call_command("encrypt_again", stdout=out)
    assert out.getvalue().startswith("1 rows")
    assert stored(webhook) != before
    settings.ENCRYPTION_KEYS = ["another key"]
    assert Webhook.objects.get().secret == secret


def test_without_its_key_a_secret_is_refused_with_what_to_do(webhook, settings):
    settings.ENCRYPTION_KEYS = ["another key"]
    with pytest.raises(CannotDecrypt, match="ENCRYPTION_KEYS"):
        Webhook.objects.get()
    with pytest.raises(CommandError, match="ENCRYPTION_KEYS"):
        call_command("encrypt_again")


def test_what_was_tampered_with_is_refused():
    token = encrypt("orchard")
    with pytest.raises(CannotDecrypt):
        decrypt(token[:-4] + "AAA=")
