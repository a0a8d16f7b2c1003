"""Tokens by which programs act for a person, and the replies that repeated requests are given again."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation_site.access.models import Access
from annotation_site.catalog.models import Project
from annotation_site.encryption import EncryptedTextField


class Scope(models.TextChoices):
    """What a token may do, never more than its person may; each includes those before it."""

    READ = "read", "read (looks)"
    WRITE = "write", "write (runs campaigns)"
    ADMIN = "admin", "admin (also gives access)"

    @property
    def access(self) -> Access:
        """The most that it is good for on a project."""
        return {Scope.READ: Access.VIEWER, Scope.WRITE: Access.ADMIN, Scope.ADMIN: Access.OWNER}[self]


class ApiToken(models.Model):
    """`Authorization: Bearer mg_…`. Only a hash is kept: the token itself is told once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, help_text="What it is for, for those who look at the list.")
    scope = models.CharField(max_length=5, choices=Scope.choices)
    is_restricted = models.BooleanField(default=False, help_text="To `projects`, none of which may be left.")
    projects = models.ManyToManyField(Project, blank=True, related_name="+")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token.")
    hint = models.CharField(max_length=12, help_text="How it begins.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    made_with = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="made",
        help_text="The token that made it over the API; none where its person did.",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(name=""), name="tokens_have_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class KeptReply(models.Model):
    """What a write with an Idempotency-Key was answered; without a status while it is under way."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    begun_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    content = EncryptedTextField(blank=True, help_text="JSON; some replies tell a secret.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="one_reply_per_idempotency_key"),
        ]
