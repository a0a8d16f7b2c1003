"""Addresses that are told, what they are to be told, and what came of it."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation_site.encryption import EncryptedTextField


class Kind(models.TextChoices):
    """What an address may be told of."""

    STAGE_FINISHED = "stage.finished", _("a stage finished")
    STAGE_FAILED = "stage.failed", _("a stage failed")
    CLUSTER_DECIDED = "cluster.decided", _("clusters were decided")
    CLUSTER_WITHDRAWN = "cluster.withdrawn", _("decisions were withdrawn")
    BUDGET_SPENT = "budget.spent", _("50, 80 or 100 % of the budget are spent")
    BUDGET_REFUSED = "budget.refused", _("the budget allows no further work")
    ROUND_FINISHED = "round.finished", _("a round has nothing left to ask")


TEST = "test"
"""The kind of a message that an admin sends to see it arrive."""


def new_secret() -> str:
    """192 random bits, as Standard Webhooks writes them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def new_message_id() -> str:
    """The same for every try of a message: by it, receivers know what they have seen."""
    return f"msg_{uuid.uuid4().hex}"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Webhooks by whether they are told anything."""

    def enabled(self) -> Self:
        return self.filter(disabled_at__isnull=True)


class Webhook(models.Model):
    """An address that is told what happens on a project."""

    objects = WebhookQuerySet.as_manager()

    project = models.ForeignKey("catalog.Project", models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=120, blank=True)
    kinds = ArrayField(models.CharField(max_length=20, choices=Kind.choices))
    secret = EncryptedTextField(default=new_secret, help_text="Signs what is sent.")
    earlier_secret = EncryptedTextField(
        blank=True, help_text="Signs as well, until receivers know the new one."
    )
    earlier_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    failures = models.PositiveIntegerField(default=0, help_text="Tries in a row that failed.")
    failing_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=300, blank=True, help_text="Empty: an admin did it.")

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.url

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


class Event(models.Model):
    """What an address is to be told of: written with the change itself, gone once it is sent on."""

    project = models.ForeignKey(
        "catalog.Project", models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()
    data = models.JSONField()


class Milestone(models.Model):
    """What is told once: reaching it again is no news."""

    project = models.ForeignKey("catalog.Project", models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=120)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="a_milestone_is_reached_once"),
        ]


class Delivery(models.Model):
    """A message to an address, and how it stands. `body` is sent byte by byte as it is kept."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    message = models.CharField(max_length=40, unique=True, default=new_message_id)
    kind = models.CharField(max_length=20)
    body = models.TextField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "-id"], name="deliveries_of_a_webhook"),
            models.Index(fields=["webhook", "state", "-id"], name="deliveries_by_state"),
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="deliveries_to_make"),
            models.Index(fields=["made_at"], name="deliveries_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook}"


class Attempt(models.Model):
    """One try: what was answered, or why nothing was."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    response = models.TextField(blank=True, help_text="How the response begins.")
    error = models.CharField(max_length=300, blank=True)
    elapsed_ms = models.PositiveIntegerField()
    headers = models.JSONField(default=dict, help_text="Of the request.")

    class Meta:
        ordering: ClassVar = ["pk"]

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300
